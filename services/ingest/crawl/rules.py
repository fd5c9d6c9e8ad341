"""Which addresses belong to a crawl: pure functions over URLs."""

import fnmatch
import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from libs.common.calls import Scrape

DEFAULT_DEPTH = 10
LONGEST_URL = 2_000  # characters
MOST_SEGMENTS = 25  # of a path; beyond that a site is going in circles
_TRACKING = re.compile(
    r"^(utm_\w+|fbclid|gclid|msclkid|mc_cid|mc_eid|_ga|_gl|igshid|ref_src|yclid)$"
)
_SESSION = re.compile(r"^(phpsessid|jsessionid|sid|sessionid|aspsessionid\w*)$", re.IGNORECASE)
_MEDIA = re.compile(
    r"\.(?:png|jpe?g|gif|webp|avif|svg|ico|bmp|tiff?|mp[34]|m4[av]|mov|avi|webm|ogg|wav|flac"
    r"|zip|gz|tgz|bz2|xz|7z|rar|tar|dmg|exe|msi|apk|deb|rpm|iso|css|js|mjs|map|json|xml|rss|atom"
    r"|woff2?|ttf|otf|eot|ics|csv|xlsx?|pptx?)$",
    re.IGNORECASE,
)
_JSESSION = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)


class CrawlOptions(msgspec.Struct, frozen=True):
    """What a crawl was asked for, with the defaults filled in."""

    sitemap: bool
    max_pages: int
    max_depth: int
    include: list[str] = []
    exclude: list[str] = []

    @classmethod
    def of(cls, request: Scrape, most: int) -> "CrawlOptions":
        depth = DEFAULT_DEPTH if request.max_depth is None else request.max_depth
        return cls(
            sitemap=request.sitemap is not None,
            max_pages=min(request.max_pages or most, most),
            max_depth=depth,
            include=request.include,
            exclude=request.exclude,
        )

    def as_json(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)

    @classmethod
    def from_json(cls, value: Any) -> "CrawlOptions":
        return msgspec.convert(value, cls)


def normalized(url: str) -> str | None:
    """The one form of an address: so that a page is not read twice; None when unusable.

    Lower-case scheme and host, no default port, no fragment, no tracking or session
    parameters, the rest of the query sorted, dots in the path resolved.
    """
    if len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    scheme = parts.scheme.lower()
    if ":" in host:
        host = f"[{host}]"
    if port and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    path = _JSESSION.sub("", _resolved(parts.path))
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.match(name.lower()) and not _SESSION.match(name)
    ]
    return urlunsplit((scheme, host, _quoted(path) or "/", urlencode(sorted(query)), ""))


def same_site(url: str, start: str) -> bool:
    """The same host, ``www.`` aside, whatever the scheme."""
    return _site(url) == _site(start)


def wanted(url: str, start: str, options: CrawlOptions) -> bool:
    """Whether the crawl covers this address (normalized): its site, its patterns, a page."""
    parts = urlsplit(url)
    if not same_site(url, start) or _MEDIA.search(parts.path):
        return False
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > MOST_SEGMENTS or _circles(segments):
        return False
    return chosen(url, options)


def chosen(url: str, options: CrawlOptions) -> bool:
    """Include and exclude patterns, globs on path and query (or on the whole address)."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if any(_glob(pattern).match(path) or _glob(pattern).match(url) for pattern in options.exclude):
        return False
    if not options.include:
        return True
    return any(_glob(p).match(path) or _glob(p).match(url) for p in options.include)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    if not pattern.startswith(("/", "*", "http:", "https:")):
        pattern = f"/{pattern}"
    return re.compile(fnmatch.translate(pattern))


def _site(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.netloc or "").lower()
    return host.removeprefix("www.")


def _circles(segments: list[str]) -> bool:
    """The same segment again and again: a relative link that never ends."""
    return any(segments.count(segment) > 4 for segment in set(segments))


def _resolved(path: str) -> str:
    out: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(out) > 1:
                out.pop()
        elif segment != ".":
            out.append(segment)
    if path.endswith(("/.", "/..")):
        out.append("")
    return "/".join(out)


def _quoted(path: str) -> str:
    """Percent-encode what is not allowed, leave what is encoded as it is."""
    safe = "/%:@!$&'()*+,;=-._~"
    return "".join(
        c
        if c.isascii() and (c.isalnum() or c in safe)
        else "".join(f"%{b:02X}" for b in c.encode())
        for c in path
    )
