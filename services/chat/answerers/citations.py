"""Marks such as [2] in a model's stream: taken out of the text, resolved to passages.

A mark may be cut in two by deltas, so what could be the beginning of one is held back. A number
that names no passage is an invention and is dropped.
"""

import re

_MARK = re.compile(r" ?\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_OPEN = re.compile(r" ?(?:\[[\d\s,;]{0,12})?$")
LONGEST_STATEMENT = 300  # characters before a mark that it may stand for


class Citations:
    """Fed with deltas; gives back clean text and remembers what was cited, in order."""

    def __init__(self) -> None:
        self._held = ""
        self._since = ""  # the text since the last mark
        self._statement = ""
        self.cited: dict[int, str] = {}  # number → the words it was put after

    def feed(self, delta: str) -> str:
        text = self._held + delta
        cut = _OPEN.search(text)
        end = cut.start() if cut else len(text)
        self._held = text[end:]
        return self._clean(text[:end])

    def flush(self) -> str:
        text, self._held = self._held, ""
        return self._clean(text)

    def _clean(self, text: str) -> str:
        out = ""
        position = 0
        for mark in _MARK.finditer(text):
            said = text[position : mark.start()]
            out += said
            self._note(self._since + said, mark.group(1))
            position = mark.end()
        rest = text[position:]
        self._since = (self._since + rest)[-LONGEST_STATEMENT:]
        return out + rest

    def _note(self, said: str, numbers: str) -> None:
        """Marks in a row stand for the same words."""
        if any(c.isalnum() for c in said):
            self._statement = said.strip()[-LONGEST_STATEMENT:]
        self._since = ""
        for number in re.findall(r"\d+", numbers):
            self.cited.setdefault(int(number), self._statement)
