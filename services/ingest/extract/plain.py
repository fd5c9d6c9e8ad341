"""Plain text: paragraphs are what blank lines separate."""

import re

from services.ingest.extract.blocks import Block, Extracted

_BLANK = re.compile(r"\n[ \t\u3000]*\n+")
_BULLET = re.compile(r"^\s*(?:[-*•‣–]|\d{1,3}[.)])\s+")
_UNDERLINE = re.compile(r"^(.{2,120})\n(={3,}|-{3,})\s*$")
LONGEST_TITLE = 120  # characters


def extract_text(text: str, name: str) -> Extracted:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    blocks = [block for part in _BLANK.split(text) for block in _blocks(part)]
    return Extracted(title=name, blocks=blocks)


def _blocks(part: str) -> list[Block]:
    part = part.strip("\n")
    if not part.strip():
        return []
    lines = part.split("\n")
    if len(lines) > 1 and (underlined := _UNDERLINE.match("\n".join(lines[:2]))):
        level = 1 if underlined.group(2)[0] == "=" else 2
        rest = "\n".join(lines[2:])
        return [Block("heading", underlined.group(1).strip(), level), *_blocks(rest)]
    if sum(bool(_BULLET.match(line)) for line in lines) > len(lines) // 2:
        return [Block("list", line.strip()) for line in _joined(lines)]
    return [Block("text", part.strip())]


def _joined(lines: list[str]) -> list[str]:
    """List items with their continuation lines."""
    items: list[str] = []
    for line in lines:
        if _BULLET.match(line) or not items:
            items.append(line.strip())
        else:
            items[-1] += " " + line.strip()
    return items
