"""The product as a cluster runs it, from its images: traced from end to end, replaced under load.

`make bench ARGS=rollout` does the same with two replicas of everything and 100 conversations.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from deploy.rootfs import Image
from libs.common.testing.model import Model
from tests.conftest import ROOT, data_folder
from tests.e2e.client import Api, Receiver
from tests.rollout import images
from tests.rollout.cluster import SERVICES, Cluster, NotReady
from tests.rollout.load import FACT, QUESTION, Load, Site, lost, told
from tests.rollout.otlp import Otlp

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
DELAY = 0.1  # seconds before each word of an answer
PAGES = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def otlp() -> AsyncIterator[Otlp]:
    async with Otlp.open(TRACE) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def built() -> Iterator[dict[str, Image]]:
    """The images, beside the environment whose files they link."""
    artifacts = ROOT / "artifacts"
    artifacts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="images-", dir=artifacts) as folder:
        yield images.build(Path(folder))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(otlp: Otlp, built: dict[str, Image]) -> AsyncIterator[Cluster]:
    """One replica of each service; a rollout makes it two for as long as it takes."""
    folder = data_folder()
    async with Model.open(delay=DELAY) as model:
        made = Cluster(
            folder,
            {
                "ANTHROPIC_API_KEY": "test",
                "ANTHROPIC_BASE_URL": model.url,
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
            },
            replicas=1,
            images=built,
        )
        try:
            yield await made.start()
        except NotReady as exc:
            pytest.fail(str(exc), pytrace=False)
        finally:
            await made.stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=180)
    async with aiohttp.ClientSession(timeout=timeout) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.open() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def bot(cluster: Cluster, session: aiohttp.ClientSession, receiver: Receiver) -> str:
    """A chatbot that knows one thing, and whose events the receiver gets."""
    api = Api(session, cluster.base_url, cluster.api_key)
    made = await api.chatbot()
    await api.knows(made, QUESTION, FACT)
    await api.post("/api/webhooks", {"url": receiver.url, "chatbotId": made})
    return made


async def test_one_trace_leads_from_the_widget_to_the_webhook(
    cluster: Cluster, otlp: Otlp, session: aiohttp.ClientSession, receiver: Receiver, bot: str
) -> None:
    shop = {"Origin": "https://shop.example"}
    api = Api(session, cluster.base_url, cluster.api_key)
    begun = await api.post(f"/api/widget/{bot}/session", {}, headers=shop)
    visitor = Api(session, cluster.base_url, begun.body["token"])

    async with session.post(
        f"{cluster.base_url}/api/chat/{bot}",
        json={"message": QUESTION},
        headers=visitor.headers(**shop, traceparent=f"00-{TRACE}-{PARENT}-01"),
    ) as response:
        request_id = response.headers["x-request-id"]
        assert b"Street" in await response.read()
    messages = await receiver.wait(2, "new_message", timeout=60)

    # New conversation, the visitor's message, the bot's: three POSTs.
    await otlp.whole(PARENT, **{"POST webhook": 3, "POST /api/chat/{chatbotId}": 1})
    spans = otlp.spans.values()
    assert {s.service for s in spans} == {
        f"chattery-{name}" for name in ("gateway", "chat", "webhooks", "ratelimit")
    }
    assert {
        "ratelimit.check",
        "chat.messages.create",
        "postgres.transaction",
        "chat.answer",
        "llm.messages",
    } <= {s.name for s in spans}
    posts = {s.id for s in otlp.named("POST webhook")}
    for message in messages:  # the receiver may go on with the trace
        version, trace, parent, _ = message.headers["traceparent"].split("-")
        assert (version, trace) == ("00", TRACE)
        assert parent in posts
    assert lines_of(cluster, "gateway", "request", request_id=request_id, trace_id=TRACE)
    assert lines_of(cluster, "webhooks", "delivery_attempted", trace_id=TRACE)


def lines_of(cluster: Cluster, service: str, event: str, **facts: str) -> list[dict]:
    """Log lines with these facts; every line is JSON."""
    text = (cluster.folder / "data" / "logs" / f"{service}.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [
        line
        for line in lines
        if line["event"] == event and all(line.get(k) == v for k, v in facts.items())
    ]


async def test_a_rollout_of_everything_fails_no_request_and_loses_nothing(
    cluster: Cluster, session: aiohttp.ClientSession, receiver: Receiver, bot: str
) -> None:
    async with Site.open(PAGES) as site:
        load = Load(session, cluster.base_url, cluster.api_key, bot, site.url)
        load.start(3, crawls=1)
        await asyncio.sleep(1)
        # All Deployments at once, as after `kubectl apply`.
        done = await asyncio.gather(*(cluster.roll(service) for service in SERVICES))
        seen = await load.stop()
        missing = await lost(load, receiver, PAGES)

    assert [rolled.code for one in done for rolled in one] == [0] * len(SERVICES), done
    assert seen.failed == []
    assert missing == []
    assert seen.answered > 3
    assert seen.uploads
    assert seen.crawls
    assert set(told(receiver).values()) == {1}
