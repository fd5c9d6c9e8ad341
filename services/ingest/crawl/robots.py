"""robots.txt (RFC 9309), by protego."""

from urllib.parse import urlsplit

from protego import Protego

from libs.common.fetch import Fetcher, FetchError
from services.ingest.extract.blocks import ExtractionFailed
from services.ingest.extract.charset import decode

AGENT = "ChatteryBot"
MAX_BYTES = 500 << 10  # as much as RFC 9309 asks to read
LONGEST_DELAY = 30.0  # seconds between two requests that a site may ask for


class Robots:
    """What one site allows."""

    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(text)

    @classmethod
    async def fetch(cls, fetcher: Fetcher, url: str) -> "Robots":
        """Of the site of ``url``. A site without the file allows everything.

        Raises `FetchError` (retryable) when the site can't say: then nothing may be fetched.
        """
        parts = urlsplit(url)
        try:
            fetched = await fetcher.get(
                f"{parts.scheme}://{parts.netloc}/robots.txt", max_bytes=MAX_BYTES
            )
        except FetchError as exc:
            if 400 <= exc.status < 500 and exc.status != 429:
                return cls("")
            if exc.code in ("too_large", "too_many_redirects", "content_type"):
                return cls("")
            raise
        try:
            return cls(decode(fetched.body))
        except ExtractionFailed:
            return cls("")

    def allows(self, url: str) -> bool:
        return bool(self._rules.can_fetch(url, AGENT))

    @property
    def delay(self) -> float:
        """Seconds between two requests; 0 when it does not say."""
        return min(float(self._rules.crawl_delay(AGENT) or 0), LONGEST_DELAY)

    @property
    def sitemaps(self) -> list[str]:
        return list(self._rules.sitemaps)
