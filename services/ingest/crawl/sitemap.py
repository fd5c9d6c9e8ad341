"""Sitemaps (sitemaps.org): lists of pages and lists of lists, plain or gzipped, XML or text."""

import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from libs.common.fetch import Fetcher, FetchError
from libs.common.telemetry import log

MAX_BYTES = 50 << 20  # unpacked, the protocol's own limit
MOST_LISTS = 500
DEEPEST = 3  # lists of lists of lists


class NotASitemap(FetchError):
    def __init__(self) -> None:
        super().__init__("not_a_sitemap", "There is no sitemap at this address.")


async def pages(fetcher: Fetcher, url: str, most: int) -> AsyncIterator[list[str]]:
    """The addresses in a sitemap and the sitemaps it names, a list at a time.

    Raises `FetchError` when the first can't be had; those below it are left out.
    """
    waiting = [(url, 0)]
    seen = {url}
    found = 0
    while waiting and len(seen) <= MOST_LISTS and found < most:
        current, depth = waiting.pop(0)
        try:
            fetched = await fetcher.get(current, max_bytes=MAX_BYTES)
            listed, lists = parse(fetched.body)
        except FetchError as exc:
            if current == url:
                raise
            log.info("sitemap_left_out", code=exc.code)
            continue
        found += len(listed)
        yield listed
        if depth < DEEPEST:
            fresh = [one for one in lists if one not in seen]
            seen.update(fresh)
            waiting += [(one, depth + 1) for one in fresh]


def parse(body: bytes) -> tuple[list[str], list[str]]:
    """(pages, sitemaps). Raises `NotASitemap`, and `FetchError` when it unpacks to too much."""
    body = unpacked(body)
    if body.lstrip()[:1] == b"<":
        return _xml(body)
    lines = body.decode("utf-8", "replace").split()
    addresses = [line for line in lines if line.startswith(("http://", "https://"))]
    if not addresses or len(addresses) < len(lines) // 2:
        raise NotASitemap
    return addresses, []


def unpacked(body: bytes) -> bytes:
    if body[:2] != b"\x1f\x8b":
        return body
    unpack = zlib.decompressobj(wbits=31)
    try:
        data = unpack.decompress(body, MAX_BYTES)
    except zlib.error as exc:
        raise NotASitemap from exc
    if unpack.unconsumed_tail:
        raise FetchError("too_large", "The sitemap unpacks to too much.")
    return data


def _xml(body: bytes) -> tuple[list[str], list[str]]:
    found: dict[str, list[str]] = {"url": [], "sitemap": []}
    root = ""
    try:
        steps: Any = etree.iterparse(
            BytesIO(body),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            recover=True,
        )
        for event, node in steps:
            name = _local(node)
            if event == "start":
                root = root or name
                if root not in ("urlset", "sitemapindex"):
                    raise NotASitemap
            elif name == "loc" and (parent := node.getparent()) is not None:
                kind = _local(parent)
                if kind in found and node.text:
                    found[kind].append(node.text.strip())
            elif name in found:
                node.clear()
    except etree.XMLSyntaxError as exc:
        if not root:
            raise NotASitemap from exc
    return found["url"], found["sitemap"]


def _local(node: Any) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
