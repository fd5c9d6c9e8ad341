"""Crawls of a generated site: exactly the pages that should be found are, also the next time."""

import asyncio
import gzip
import os
import random
from typing import Any

import pytest
from aiohttp import web

from libs.common import calls
from libs.common.errors import RemoteError

PAGES = int(os.environ.get("CHATTERY_TEST_PAGES", "60"))
PATIENCE = 90.0 + PAGES  # seconds
WORDS = [
    "ladder", "harvest", "silver", "engine", "valley", "copper", "window", "garden", "planet",
    "bridge", "lantern", "market", "river", "signal", "thunder", "marble", "forest", "anchor",
    "castle", "meadow", "rocket", "island", "violin", "pepper", "saddle", "tunnel", "feather",
    "compass", "orchard", "glacier",
]  # fmt: skip


def article(number: int, links: list[str] = [], version: int = 1) -> str:  # noqa: B006
    chosen = random.Random(f"{number}.{version}")
    words = " ".join(chosen.choice(WORDS) for _ in range(80))
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    return (
        f"<html><head><title>Topic {number}</title></head><body><main><h1>Topic {number}</h1>"
        f"<p>Article number {number} tells about {words}.</p></main>"
        f"<footer><ul>{anchors}</ul></footer></body></html>"
    )


def build_site(site: Any) -> set[str]:
    """Articles in a tree, and around them all that sites have. Returns what is to be indexed."""
    expected = set()
    for number in range(PAGES):
        path = f"/a/{number}"
        links = [f"/a/{child}" for child in (2 * number + 1, 2 * number + 2) if child < PAGES]
        site.pages[path] = article(number, links)
        expected.add(path)
    flaky = {"left": 2}

    def recovers(_: web.Request) -> Any:
        flaky["left"] -= 1
        if flaky["left"] >= 0:
            return web.Response(status=500)
        return web.Response(text=article(9001), content_type="text/html")

    async def slow(_: web.Request) -> Any:
        await asyncio.sleep(0.5)
        return web.Response(text=article(9002), content_type="text/html")

    def redirect(to: str) -> Any:
        return lambda _: web.Response(status=301, headers={"location": to})

    site.pages |= {
        "/": article(
            9000,
            [
                "/a/0", "/a/0?utm_source=mail#top", "/old", "/loop1", "/copy-of-one", "/missing",
                "/recovers", "/slow", "/private/x", "/noindex", "/picture.png", "/app",
                "/canonical?b=2&a=1", "https://elsewhere.invalid/", "mailto:x@y.z", "/elsewhere",
                "/print/4",
            ],
        ),
        "/robots.txt": f"User-agent: *\nDisallow: /private/\nSitemap: {site.url}/sitemap.xml\n",
        "/sitemap.xml": f"<sitemapindex><sitemap><loc>{site.url}/more.xml.gz</loc></sitemap>"
        "<sitemap><loc>/broken</loc></sitemap></sitemapindex>",
        "/more.xml.gz": gzip.compress(
            f"<urlset><url><loc>{site.url}/listed</loc></url></urlset>".encode()
        ),
        "/listed": article(9003),
        "/old": redirect("/new"),
        "/new": article(9004),
        "/loop1": redirect("/loop2"),
        "/loop2": redirect("/loop1"),
        "/copy-of-one": article(1, ["/a/3", "/a/4"]),
        "/recovers": recovers,
        "/slow": slow,
        "/private/x": article(9005),
        "/noindex": '<meta name="robots" content="noindex">' + article(9006, ["/behind"]),
        "/behind": article(9007),
        "/app": "<html><body><div id=app></div><noscript>Please enable JavaScript to use this"
        " app.</noscript></body></html>",
        "/canonical?a=1&b=2": '<html><head><link rel="canonical" href="/canonical"></head>'
        + article(9008),
        "/canonical": article(9008),
        "/elsewhere": redirect(site.url.replace("127.0.0.1", "localhost") + "/a/1"),
        "/print/4": article(4, ["/a/9"]).replace("</p>", " Printed.</p>"),
    }  # fmt: skip
    return expected | {"/", "/listed", "/new", "/recovers", "/slow", "/behind", "/canonical"}


async def paths(ingest: Any, site: Any, crawl: str, **filters: Any) -> set[str]:
    pages = await ingest.pages(crawl, **filters)
    return {page.source.removeprefix(site.url) for page in pages}


async def test_exactly_the_pages_of_a_site_are_indexed_and_kept_up_to_date(
    ingest: Any, site: Any
) -> None:
    expected = build_site(site)
    crawl = await ingest.scrape(url=f"{site.url}/")
    assert (crawl.type, crawl.status) == ("crawl", "pending")
    done = await ingest.done(crawl.id, patience=PATIENCE)
    assert (done.status, done.error) == ("ready", None)
    assert await paths(ingest, site, crawl.id, status="ready") == expected
    failed = await ingest.pages(crawl.id, status="failed")
    assert {p.source.removeprefix(site.url): p.error.code for p in failed} == {
        "/missing": "http_404",
        "/app": "javascript_required",
        "/loop1": "too_many_redirects",
    }
    assert done.progress.indexed == len(expected)
    assert done.progress.failed == 3
    assert "/private/x" not in site.requests
    found = await ingest.search("article number 7 tells about")
    assert found.data[0].url

    # The second time: one page changed, one gone, one new; one fails for now.
    before = {p.source: (p.indexed_at, p.chunks) for p in await ingest.pages(crawl.id)}
    site.pages["/a/5"] = article(5, ["/a/11", "/a/12"], version=2)
    del site.pages["/a/6"]
    site.pages["/a/2"] = article(2, ["/a/5", "/fresh", "/a/13", "/a/14"])
    site.pages["/fresh"] = article(7777)
    site.pages["/slow"] = lambda _: web.Response(status=503)
    await ingest.call(calls.KNOWLEDGE_RESYNC, calls.ById(id=crawl.id))
    done = await ingest.done(crawl.id, patience=PATIENCE)
    assert done.status == "ready"
    assert await paths(ingest, site, crawl.id, status="ready") == (
        (expected - {"/a/6", "/slow"}) | {"/fresh"}
    )
    after = {p.source: (p.indexed_at, p.chunks) for p in await ingest.pages(crawl.id)}
    touched = {
        source.removeprefix(site.url)
        for source in after
        if after[source] != before.get(source) and after[source][0] is not None
    }
    assert touched == {"/a/5", "/fresh"}
    kept = await ingest.pages(crawl.id)
    assert {p.item for p in await ingest.points()} == {p.id for p in kept if p.chunks}
    assert f"{site.url}/slow" in {p.source for p in kept if p.chunks}, "failed once: not pruned"


async def test_an_unchanged_page_is_not_sent_again(ingest: Any, site: Any) -> None:
    def tagged(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304)
        return web.Response(
            text=article(1, ["/two"]), content_type="text/html", headers={"etag": '"v1"'}
        )

    site.pages |= {"/": tagged, "/two": article(2)}
    crawl = await ingest.scrape(url=site.url)
    assert (await ingest.done(crawl.id)).progress.indexed == 2
    await ingest.call(calls.KNOWLEDGE_RESYNC, calls.ById(id=crawl.id))
    assert (await ingest.done(crawl.id)).progress.indexed == 2
    assert len(await ingest.pages(crawl.id, status="ready")) == 2


async def test_bounds_and_patterns_are_kept(ingest: Any, site: Any) -> None:
    for number in range(30):
        links = [f"/docs/{n}" for n in range(30)] + [f"/blog/{n}" for n in range(30)]
        site.pages[f"/docs/{number}"] = article(number, links)
        site.pages[f"/blog/{number}"] = article(100 + number, links)
    site.pages["/"] = article(999, ["/docs/0", "/blog/0", "/docs/1"])
    few = await ingest.scrape(url=site.url, max_pages=5)
    assert (await ingest.done(few.id)).progress.indexed == 5
    near = await ingest.scrape(url=site.url, max_depth=0)
    await ingest.done(near.id)
    assert await paths(ingest, site, near.id) == {"/"}
    chosen = await ingest.scrape(url=site.url, include=["/docs/*"], exclude=["/docs/1*"])
    await ingest.done(chosen.id)
    assert await paths(ingest, site, chosen.id) == {
        f"/docs/{n}" for n in range(30) if not str(n).startswith("1")
    }


async def test_what_a_crawl_may_still_add_counts_as_used_while_it_runs(
    ingest: Any, site: Any
) -> None:
    looked = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await looked.wait()
        return web.Response(text=article(1), content_type="text/html")

    async def usage() -> Any:
        return await ingest.call(calls.KNOWLEDGE_USAGE, calls.NoParameters())

    site.pages["/"] = slow

    crawl = await ingest.scrape(url=f"{site.url}/", max_pages=9)
    begun = await usage()
    assert begun.pages + begun.promised == 9
    looked.set()
    await ingest.done(crawl.id)
    over = await usage()
    assert (over.pages, over.promised) == (1, 0)


async def test_a_crawl_can_be_cancelled_and_keeps_what_it_has(ingest: Any, site: Any) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        number = int(request.path.rpartition("/")[2] or 0)
        return web.Response(
            text=article(number, [f"/p/{number + 1}", f"/p/{number + 2}"]), content_type="text/html"
        )

    site.pages |= {f"/p/{n}": slow for n in range(500)}
    crawl = await ingest.scrape(url=f"{site.url}/p/0")
    while (await ingest.item(crawl.id)).progress.indexed < 3:
        await asyncio.sleep(0.05)
    cancelled = await ingest.call(calls.KNOWLEDGE_CANCEL, calls.ById(id=crawl.id))
    assert (cancelled.status, cancelled.stage) == ("ready", "cancelled")
    asked = 0
    while len(site.requests) > asked:  # what was under way comes to an end
        asked = len(site.requests)
        await asyncio.sleep(1.0)
    assert 3 <= len(await ingest.pages(crawl.id, status="ready")) < 100


async def test_deleting_a_crawl_leaves_nothing_behind(ingest: Any, site: Any) -> None:
    site.pages |= {"/": article(0, ["/one", "/two"]), "/one": article(1), "/two": article(2)}
    crawl = await ingest.scrape(sitemap=f"{site.url}/map.txt")
    failed = await ingest.done(crawl.id)
    assert (failed.status, failed.error.code) == ("failed", "http_404")
    site.pages["/map.txt"] = "\n".join(f"{site.url}{path}" for path in ("/", "/one", "/two"))
    await ingest.call(calls.KNOWLEDGE_RETRY, calls.ById(id=crawl.id))
    assert (await ingest.done(crawl.id)).progress.indexed == 3
    assert await ingest.points()
    await ingest.call(calls.KNOWLEDGE_DELETE, calls.ById(id=crawl.id))
    assert await ingest.pages(crawl.id) == []
    while await ingest.points():
        await asyncio.sleep(0.05)


async def test_a_site_that_forbids_everything_is_not_read(ingest: Any, site: Any) -> None:
    site.pages |= {"/robots.txt": "User-agent: *\nDisallow: /", "/": article(1)}
    crawl = await ingest.scrape(url=site.url)
    done = await ingest.done(crawl.id)
    assert (done.status, done.error.code) == ("failed", "nothing_indexed")
    assert "robots.txt" in done.error.message
    assert site.requests == ["/robots.txt"]


async def test_a_crawl_needs_exactly_one_start(ingest: Any) -> None:
    for fields in ({}, {"url": "https://a.example/", "sitemap": "https://a.example/s.xml"}):
        with pytest.raises(RemoteError) as refused:
            await ingest.scrape(**fields)
        assert refused.value.wire_status == 400
