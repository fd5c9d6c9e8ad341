"""The guarded client against a site that does what it can."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from libs.common.fetch import Fetcher, FetchError
from tests.serving import serving

LOOPBACK = ["127.0.0.1/32"]


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<p>hello</p>", content_type="text/html")

    async def to(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["url"])

    async def again(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"/again?n={int(request.query.get('n', 0)) + 1}")

    async def bomb(_: web.Request) -> web.Response:
        body = gzip.compress(b"\0" * (8 << 20))
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async def endless(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b"x" * 65536)

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(600)
        return web.Response()

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["code"]))

    app = web.Application()
    app.add_routes(
        [
            web.get("/page", page),
            web.get("/to", to),
            web.get("/again", again),
            web.get("/bomb", bomb),
            web.get("/endless", endless),
            web.get("/silent", silent),
            web.get("/status/{code}", status),
        ]
    )
    async with serving(app) as url:
        yield url


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher.open(LOOPBACK) as opened:
        yield opened


async def failure(fetcher: Fetcher, url: str, **options) -> FetchError:
    with pytest.raises(FetchError) as failed:
        await fetcher.get(url, **options)
    assert failed.value.message
    return failed.value


async def test_a_page_is_fetched_through_redirects(fetcher: Fetcher, site: str) -> None:
    found = await fetcher.get(f"{site}/to?url=/page", content_types=("text/html",))
    assert (found.url, found.body) == (f"{site}/page", b"<p>hello</p>")
    assert found.redirects == (f"{site}/to?url=/page",)


async def test_without_an_exception_loopback_is_refused(site: str) -> None:
    async with Fetcher.open() as strict:
        assert (await failure(strict, f"{site}/page")).code == "blocked_url"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://2130706434/",
        "http://0x7f.2/",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/",
    ],
)
async def test_a_redirect_is_judged_as_the_first_hop(
    fetcher: Fetcher, site: str, target: str
) -> None:
    assert (await failure(fetcher, f"{site}/to?url={target}")).code == "blocked_url"


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.2", "fd00::1", "64:ff9b::a00:1"])
async def test_a_name_is_judged_by_the_address_it_has_when_connected_to(
    fetcher: Fetcher, monkeypatch, address: str
) -> None:
    """Rebinding: a name that was public a moment ago now points inside."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    async def resolve(*_: object, **__: object):
        host = {"hostname": "rebound.example", "host": address, "port": 80}
        return [{**host, "family": family, "proto": 6, "flags": 0}]

    connector = fetcher._session.connector
    monkeypatch.setattr(connector._resolver, "resolve", resolve)
    failed = await failure(fetcher, "http://rebound.example/")
    assert failed.code == "blocked_url"
    assert address not in failed.message


async def test_everything_is_bounded(fetcher: Fetcher, site: str) -> None:
    assert (await failure(fetcher, f"{site}/again")).code == "too_many_redirects"
    assert (await failure(fetcher, f"{site}/bomb", max_bytes=1 << 20)).code == "too_large"
    assert (await failure(fetcher, f"{site}/endless", max_bytes=1 << 20)).code == "too_large"
    silent = await failure(fetcher, f"{site}/silent", timeout=0.3)
    assert (silent.code, silent.retryable) == ("timeout", True)
    kind = await failure(fetcher, f"{site}/page", content_types=("application/pdf",))
    assert kind.code == "content_type"


@pytest.mark.parametrize(
    ("code", "retryable"), [(404, False), (403, False), (429, True), (500, True), (503, True)]
)
async def test_a_status_says_whether_to_try_again(
    fetcher: Fetcher, site: str, code: int, retryable: bool
) -> None:
    failed = await failure(fetcher, f"{site}/status/{code}")
    assert (failed.code, failed.status, failed.retryable) == (f"http_{code}", code, retryable)


async def test_a_site_that_is_not_there_says_so(fetcher: Fetcher) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        failed = await failure(fetcher, url)
    assert (failed.code, failed.retryable) == ("connection", True)
