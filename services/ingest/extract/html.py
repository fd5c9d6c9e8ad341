"""Web pages: main content by trafilatura, with a structural reading of the page behind it.

trafilatura is very good at articles; on short help pages made of plain ``div`` elements it
drops text. So its result is compared with what the page's main part holds, and where too much
is missing the main part is read as it stands.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import Any
from urllib.parse import quote, urljoin

import trafilatura
from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]
from trafilatura.settings import use_config

from libs.retrieval.passages import plain
from services.ingest.extract.blocks import Block, Extracted, ExtractionFailed, table_row
from services.ingest.extract.charset import decode

ENOUGH_OF_MAIN = 0.7  # part of the text under <main> that the result must have
ENOUGH_OF_BODY = 0.35  # the same where the page does not mark its main part
MOST_LINKS = 5_000  # of one page
_JAVASCRIPT = re.compile(
    r"(enable|activate|turn on|requires?|needs?|without)\s+(?:\w+\s+){0,3}java\s?script"
    r"|java\s?script\s+(?:is|must be|needs to be|has to be|to be)?\s*(?:\w+\s+)?"
    r"(disabled|required|enabled|needed|not (?:enabled|supported|available))"
    r"|(?:activ|habilit|abilit|aktiv|включ)\w*\W+(?:\w+\W+){0,2}java\s?script"
    r"|(?:请|請).{0,6}(?:启用|啟用|开启).{0,4}javascript|javascript.{0,8}(?:を有効|aktivieren|включ)",
    re.IGNORECASE,
)
SHELL = 700  # characters; a page with so little text and that sentence is an empty shell
_BOILERPLATE = {
    "script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "svg",
    "iframe", "select", "dialog", "object", "canvas", "video", "audio", "head", "input", "textarea",
}  # fmt: skip
_BOILERPLATE_ROLES = {
    "navigation",
    "banner",
    "contentinfo",
    "search",
    "dialog",
    "menu",
    "alert",
}
_BLOCK = {
    "p", "div", "section", "article", "main", "ul", "ol", "li", "dl", "dt", "dd", "table", "pre",
    "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "figure", "figcaption", "details", "summary",
    "header", "body", "hr", "address", "fieldset", "hgroup", "center", "tr", "td", "th",
}  # fmt: skip
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_UNLINKED = {*_HEADINGS, "head", "summary", "code", "pre"}
_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_AS_IT_IS = "/%:@!$&'*+,;=-._~?#"  # of an address, beside letters and digits
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")


def extract_html(data: bytes, url: str | None, name: str, charset: str | None = None) -> Extracted:
    text = decode(data, charset, html=True)
    tree = _parse(text)
    base = _base(tree, url)
    blocks = _content(text, tree, base)
    title = _title(tree, blocks) or name
    if _is_shell(tree, blocks):
        message = "The page shows its text only with JavaScript, so there is nothing to read."
        raise ExtractionFailed("javascript_required", message)
    robots = _robots(tree)
    return Extracted(
        title=title[:300],
        blocks=blocks,
        canonical=_canonical(tree, base),
        links=list(_links(tree, base)),
        noindex="noindex" in robots or "none" in robots,
        nofollow="nofollow" in robots or "none" in robots,
        refresh=_refresh(tree, base),
    )


def _parse(text: str) -> Any:
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text).replace("\x00", "")
    try:
        parser = html.HTMLParser(encoding="utf-8", huge_tree=False)
        return html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as exc:
        raise ExtractionFailed("no_text", "The page is empty.") from exc


def _content(text: str, tree: Any, base: str) -> list[Block]:
    found = _by_trafilatura(text, base)
    main = tree.xpath("//main|//*[@role='main']") or tree.xpath("//article")
    marked = main if len(main) == 1 else None
    body = tree.find("body")
    _keep_links(tree.iter("a"), base)
    own = list(_read(marked[0] if marked else tree if body is None else body))
    enough = ENOUGH_OF_MAIN if marked else ENOUGH_OF_BODY
    if _size(found) >= enough * _size(own):
        return _with_heading(found, tree)
    return own


def _size(blocks: list[Block]) -> int:
    return sum(len(plain(block.text)) for block in blocks)


def _with_heading(blocks: list[Block], tree: Any) -> list[Block]:
    """The page's h1 first, where it was taken for a part of the frame."""
    first = tree.find(".//h1")
    if first is None or any(block.kind == "heading" for block in blocks[:2]):
        return blocks
    text = _inline(first)
    return [Block("heading", text, 1), *blocks] if text else blocks


def _keep_links(nodes: Iterable[Any], base: str) -> None:
    """Put where a link leads beside its words, as answers write it: ``[the form](https://…)``."""
    for node in list(nodes):
        said = _raw_inline(node)
        address = _joined(base, (node.get("href") or node.get("target") or "").strip())
        if not _is_told(node, said, address):
            continue
        space = " " * said[:1].isspace(), " " * said[-1:].isspace()
        del node[:]
        target = quote(address or "", safe=_AS_IT_IS)
        node.text = f"{space[0]}[{' '.join(said.split())}]({target}){space[1]}"


def _is_told(node: Any, said: str, address: str | None) -> bool:
    """Whether it is a link in a text, to somewhere else: no heading, no card, no place in the page."""
    if not said.strip() or "[" in said or "]" in said:
        return False
    href = node.get("href") or node.get("target") or "#"
    if href.startswith("#") or not (address or "").startswith(_SCHEMES):
        return False
    if any(child.tag in _BLOCK for child in node.iterdescendants()):
        return False
    return not any(above.tag in _UNLINKED for above in node.iterancestors())


# -- trafilatura -----------------------------------------------------------------------------


def _by_trafilatura(text: str, base: str) -> list[Block]:
    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", "1")  # else short pages come as one flat line
    config.set("DEFAULT", "EXTRACTION_TIMEOUT", "0")
    try:
        document = trafilatura.bare_extraction(
            text,
            favor_recall=True,
            fast=True,
            include_comments=False,
            include_tables=True,
            include_links=True,
            with_metadata=False,
            deduplicate=False,
            config=config,
        )
    except Exception:
        return []
    body = getattr(document, "body", None)
    if body is None:
        return []
    _keep_links(body.iter("ref"), base)
    return list(_tei(body))


def _tei(parent: Any) -> Iterator[Block]:
    """trafilatura's own format: head, p, list/item, table/row/cell, code, quote."""
    for node in parent:
        if node.tag == "head":
            level = _HEADINGS.get(node.get("rend", ""), 4)
            if text := _flat(node):
                yield Block("heading", text, level)
        elif node.tag == "list":
            yield from _tei_list(node)
        elif node.tag == "table":
            yield from _tei_table(node)
        elif node.tag == "code":
            if text := "".join(node.itertext()).strip():
                yield Block("code", text)
        elif node.tag in ("quote", "div") and len(node) and not (node.text or "").strip():
            yield from _tei(node)
        elif text := _flat(node):
            yield Block("text", text)


def _tei_table(node: Any) -> Iterator[Block]:
    rows = (table_row(_flat(cell) for cell in row.iter("cell")) for row in node.iter("row"))
    if text := "\n".join(row for row in rows if row):
        yield Block("table", text)


def _tei_list(node: Any) -> Iterator[Block]:
    term, mark = "", _marks(ordered=node.get("rend") == "ol")
    for item in node.iter("item"):
        text = _flat(item)
        if not text:
            continue
        if str(item.get("rend", "")).startswith("dt"):
            term = text
        else:
            yield Block("list", f"{next(mark)} {term}: {text}" if term else f"{next(mark)} {text}")
            term = ""


def _marks(*, ordered: bool) -> Iterator[str]:
    """What stands before items: that of steps tells that they belong together."""
    return (f"{number}." for number in count(1)) if ordered else repeat("-")


def _flat(node: Any) -> str:
    return " ".join("".join(node.itertext()).split())


# -- the page as it stands -------------------------------------------------------------------


def _read(root: Any) -> Iterator[Block]:
    """Blocks in document order; inline text directly under a container is text too."""
    inline: list[str] = []

    def flush() -> Iterator[Block]:
        text = _tidy("".join(inline))
        inline.clear()
        if text:
            yield Block("text", text)

    if root.text:
        inline.append(root.text)
    for node in root:
        tail = node.tail or ""
        tag = node.tag if isinstance(node.tag, str) else ""
        if not tag or _is_frame(node, tag):
            inline.append(" " + tail)
            continue
        if tag == "br":
            inline.append("\n" + tail)
            continue
        if tag not in _BLOCK and node.find(".//p") is None and node.find(".//div") is None:
            inline.append(_raw_inline(node) + tail)
            continue
        yield from flush()
        yield from _block(node, tag)
        inline.append(tail)
    yield from flush()


def _block(node: Any, tag: str) -> Iterator[Block]:
    if tag in _HEADINGS or tag == "summary":
        if text := _inline(node):
            yield Block("heading", text, _HEADINGS.get(tag, 5))
    elif tag == "table" and node.find(".//table") is None:
        if text := "\n".join(_rows(node)):
            yield Block("table", text)
    elif tag == "pre":
        if text := "".join(node.itertext()).strip("\n"):
            yield Block("code", text)
    elif tag in ("ul", "ol", "dl"):
        yield from _items(node)
    else:
        yield from _read(node)


def _rows(table: Any) -> Iterator[str]:
    for row in table.iter("tr"):
        if line := table_row(_inline(cell) for cell in row if cell.tag in ("td", "th")):
            yield line


def _items(node: Any) -> Iterator[Block]:
    term, mark = "", _marks(ordered=node.tag == "ol")
    for item in node:
        if item.tag == "dt":
            term = _inline(item)
        elif item.tag in ("li", "dd") and _nests(item):
            yield from _read(item)
        elif item.tag in ("li", "dd") and (text := _inline(item)):
            yield Block("list", f"{next(mark)} {term}: {text}" if term else f"{next(mark)} {text}")
            term = ""
        elif item.tag == "div":
            yield from _items(item)


def _nests(item: Any) -> bool:
    return any(
        item.find(f".//{tag}") is not None for tag in ("h2", "h3", "h4", "table", "pre", "ul", "ol")
    )


def _is_frame(node: Any, tag: str) -> bool:
    if tag in _BOILERPLATE or node.get("role") in _BOILERPLATE_ROLES:
        return True
    if tag == "header":
        return node.find(".//nav") is not None
    hidden = node.get("hidden") is not None or node.get("aria-hidden") == "true"
    return hidden and tag not in ("details", "div", "section")


def _inline(node: Any) -> str:
    return " ".join(_raw_inline(node).split())


def _raw_inline(node: Any) -> str:
    parts = [node.text or ""]
    for child in node:
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag and tag not in _BOILERPLATE:
            parts.append(
                " " + _raw_inline(child) + " "
                if tag in _BLOCK or tag == "br"
                else _raw_inline(child)
            )
        parts.append(child.tail or "")
    return "".join(parts)


def _tidy(text: str) -> str:
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return " ".join(line for line in lines if line)


# -- what a page says about itself -----------------------------------------------------------


def _title(tree: Any, blocks: list[Block]) -> str:
    heading = next((b.text for b in blocks[:3] if b.kind == "heading" and b.level == 1), "")
    if heading:
        return heading
    social = tree.xpath("string(//meta[@property='og:title']/@content)").strip()
    return social or " ".join(tree.xpath("string(//title)").split())


def _is_shell(tree: Any, blocks: list[Block]) -> bool:
    if _size(blocks) > SHELL:
        return False
    text = " ".join(block.text for block in blocks)
    hints = " ".join(_inline(node) for node in tree.iter("noscript"))
    if _JAVASCRIPT.search(text):
        return True
    return _size(blocks) < 80 and bool(_JAVASCRIPT.search(hints))


def _base(tree: Any, url: str | None) -> str:
    href = tree.xpath("string(//base/@href)").strip()
    return urljoin(url or "", href) if href else (url or "")


def _canonical(tree: Any, base: str) -> str | None:
    href = tree.xpath(
        "string(//link[contains(concat(' ', translate(@rel,'CANOIL','canoil'), ' '), ' canonical ')]/@href)"
    ).strip()
    return _joined(base, href) if href else None


def _links(tree: Any, base: str) -> Iterator[str]:
    seen: set[str] = set()
    for node in tree.iter("a", "area"):
        href = (node.get("href") or "").strip()
        if not href or href.startswith(("#", "javascript:", "mailto:", "tel:", "data:")):
            continue
        if "nofollow" in (node.get("rel") or "").lower().split():
            continue
        link = _joined(base, href)
        if link and link not in seen:
            seen.add(link)
            yield link
        if len(seen) >= MOST_LINKS:
            return


def _joined(base: str, href: str) -> str | None:
    try:
        return urljoin(base, href)
    except ValueError:
        return None


def _robots(tree: Any) -> set[str]:
    names = tree.xpath("//meta[translate(@name,'ROBTSN','robtsn')='robots']/@content")
    return {word.strip().lower() for content in names for word in content.split(",")}


def _refresh(tree: Any, base: str) -> str | None:
    for content in tree.xpath("//meta[translate(@http-equiv,'REFSH','refsh')='refresh']/@content"):
        found = re.match(r"\s*([\d.]+)\s*[;,]\s*url\s*=\s*[\"']?([^\"']+)", content, re.IGNORECASE)
        if found and float(found.group(1)) <= 5:
            return _joined(base, found.group(2).strip())
    return None
