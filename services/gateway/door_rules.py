"""Whether a request with a cookie comes from our own pages."""

from urllib.parse import urlsplit

from services.gateway.call import Call
from services.gateway.errors import CrossSite


def check_same_site(call: Call, public_url: str) -> None:
    """A cookie's holder makes changes from our own pages alone. Raises `CrossSite`."""
    headers = call.request.headers
    origin = headers.get("Origin")
    if origin is not None:
        if not is_own(call, origin, public_url):
            raise CrossSite
        return
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise CrossSite
    referer = headers.get("Referer")
    if referer and not is_own(call, referer, public_url):
        raise CrossSite


def is_own(call: Call, origin: str, public_url: str) -> bool:
    if not is_origin(origin):
        return False
    host = urlsplit(origin).netloc.lower()
    own = {call.request.headers.get("Host", "").lower(), urlsplit(public_url).netloc.lower()}
    return bool(host) and host in own


def is_origin(text: str) -> bool:
    """Whether a browser could have sent this as ``Origin`` or ``Referer`` (they are ASCII)."""
    try:
        urlsplit(text)
    except ValueError:
        return False
    return text.isascii()
