"""The same content under several addresses: one of them is kept, always the same one.

Exact duplicates have equal digests. Near-duplicates (print views, session variants) have
fingerprints a few bits apart, and the same title and numbers: pages made from one template
whose names or prices differ are different pages.
"""

import msgspec

from services.ingest.simhash import NEAR, distance


class Content(msgspec.Struct, frozen=True):
    """What is compared of a page."""

    digest: bytes
    title: str
    fingerprint: int | None
    numbers: int | None


class Kept(msgspec.Struct):
    """The page that stands for its content."""

    url: str
    content: Content


class Duplicates:
    """What a run has kept so far. Asking and claiming are one step of the event loop."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Kept] = {}
        self._near: list[Kept] = []

    def claim(self, url: str, content: Content) -> Kept | None:
        """The other page that says the same; None when this one is the first to say it."""
        found = self._by_digest.get(content.digest) or self._nearest(content)
        if found is not None:
            return None if found.url == url else found
        kept = Kept(url, content)
        self._by_digest[content.digest] = kept
        if content.fingerprint is not None:
            self._near.append(kept)
        return None

    def _nearest(self, content: Content) -> Kept | None:
        if content.fingerprint is None:
            return None
        for kept in self._near:
            other = kept.content
            if (
                other.title == content.title
                and other.numbers == content.numbers
                and other.fingerprint is not None
                and distance(other.fingerprint, content.fingerprint) <= NEAR
            ):
                return kept
        return None


def better(url: str, than: str) -> bool:
    """Which address stands for both: the shorter, then the first by the alphabet."""
    return (len(url), url) < (len(than), than)
