"""A rolling restart of every service behind HAProxy, under load: what it costs, what it loses.

Two replicas of each service; 100 conversations at once, crawls, uploads and readers go on while
every process is replaced, one after the other, as a rollout in Kubernetes would.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.harness import Report, Row
from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening
from tests.e2e.client import Api, Receiver
from tests.rollout.cluster import SERVICES, Cluster
from tests.rollout.load import FACT, QUESTION, Load, Site, lost, told

# Start from another checkout of the code (the release before) and roll to this one.
PREVIOUS = os.environ.get("CHATTERY_BENCH_PREVIOUS")
VISITORS = int(os.environ.get("CHATTERY_BENCH_VISITORS", "100"))
PAGES = 20
DELAY = 0.8  # seconds before each word of an answer: about 13 for the whole


async def measure(report: Report) -> None:
    folder = Path(tempfile.mkdtemp(prefix="chattery-rollout-"))
    folder.chmod(0o755)
    port = free_port()
    argv = [sys.executable, "-m", "libs.common.testing.model", str(port), str(DELAY)]
    model = Program("model", argv, folder / "model.log", lambda: listening(port), cwd=ROOT)
    process = model.start()
    url = f"http://127.0.0.1:{port}"
    environ = {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": url}
    cluster = Cluster(folder, environ, checkout=Path(PREVIOUS or ROOT))
    try:
        await cluster.start()
        await _rolled(report, cluster)
    finally:
        await cluster.stop()
        stop(process, model.stop_signal, 2.0)
        shutil.rmtree(folder, ignore_errors=True)


async def _rolled(report: Report, cluster: Cluster) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        Receiver.open() as receiver,
        Site.open(PAGES) as site,
    ):
        api = Api(session, cluster.base_url, cluster.api_key)
        bot = await api.chatbot()
        await api.knows(bot, QUESTION, FACT)
        await api.post("/api/webhooks", {"url": receiver.url, "chatbotId": bot})
        load = Load(session, cluster.base_url, cluster.api_key, bot, site.url)
        load.start(VISITORS)
        cluster.checkout = ROOT
        started = time.monotonic()
        for service in SERVICES:
            for rolled in await cluster.roll(service):
                report.say(
                    f"  {service}: ready after {rolled.ready_after:.1f} s,"
                    f" ended {rolled.ended_after:.1f} s after SIGTERM with {rolled.code}"
                )
        seconds = time.monotonic() - started
        held = {s: max(r.memory() for r in cluster.running[s]) / 2**20 for s in SERVICES}
        seen = await load.stop()
        missing = await lost(load, receiver, PAGES)
    for line in missing[:10] + seen.failed[:10]:
        report.say(f"  {line}")
    rows = [
        ("every process replaced in", seconds, "s", ""),
        ("conversations at once", VISITORS, "", "100"),
        ("requests meanwhile", seen.requests, "", ""),
        ("answers meanwhile", seen.answered, "", ""),
        ("webhooks meanwhile", len(receiver.requests), "", ""),
        ("webhooks that came twice", sum(n - 1 for n in told(receiver).values()), "", ""),
        ("failed requests", len(seen.failed), "", "0"),
        ("answers, items and events lost", len(missing), "", "0"),
    ]
    rows += [(f"memory of {service} at most", held[service], "MiB", "") for service in SERVICES]
    for measure, value, unit, goal in rows:
        report.add(Row("rollout", measure, float(value), unit, goal=goal))
    assert not seen.failed, "requests failed"
    assert not missing, "something was lost"
