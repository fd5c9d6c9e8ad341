"""``make eval``: whether questions find their passage, and whether the floor knows when not.

Documents go in through the API of a whole running product; questions are asked through the same
function that answers use, with the dense and the sparse side alone beside it. For recall a
chatbot has all documents of a set. For abstention every question is also asked of a chatbot that
has only documents of other titles: there it should be refused. Where a set tells the answers, it
is told how many of the answers made without a model hold them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.product import Product, running
from bench.questions import Question, QuestionSet, own, read
from libs.common.errors import AppError
from libs.retrieval.embedders import QueryEmbedders
from libs.retrieval.passages import Passages
from libs.retrieval.reader import Hit
from libs.retrieval.search import RetrievalSettings, Retriever
from libs.retrieval.terms import query_terms
from libs.retrieval.vectors import VectorStore
from services.chat.answerers.extractive import paragraphs
from services.chat.answerers.picking import choose
from services.chat.answerers.port import Question as Asked
from services.chat.writing import PASSAGES
from tests.shapes import a_chatbot

DEPTH = 10  # passages looked at for MRR
UPLOADS = 4  # at once
ASKED = 2  # questions at once
STALLED = 300.0  # seconds without an item done, then it is given up
GOALS = {"recall": 0.97, "refused": 0.05, "abstained": 0.90}

Advance = Callable[[int], None]


class Chatbot(msgspec.Struct):
    """A chatbot with some documents of a set, and which item each became."""

    id: str
    documents: dict[str, str]  # item to document

    def rank(self, items: Sequence[str], wanted: str) -> int:
        """At which place a document is among found items, from 1; 0 when it is not."""
        found = list(dict.fromkeys(self.documents.get(item, "") for item in items))[:DEPTH]
        return found.index(wanted) + 1 if wanted in found else 0


class Ranks(msgspec.Struct):
    """Places at which right passages were found; 0 for not at all."""

    places: list[int] = msgspec.field(default_factory=list)

    def recall(self, at: int) -> float:
        return sum(0 < place <= at for place in self.places) / max(1, len(self.places))

    @property
    def mrr(self) -> float:
        return sum(1 / place for place in self.places if place) / max(1, len(self.places))


class Result(msgspec.Struct):
    """What came out for one set. Verdicts: whether it was answerable, and was taken for it."""

    name: str
    documents: int
    ways: dict[str, Ranks] = msgspec.field(
        default_factory=lambda: {"dense": Ranks(), "sparse": Ranks(), "fused": Ranks()}
    )
    verdicts: list[tuple[bool, bool]] = msgspec.field(default_factory=list)
    answered: list[bool] = msgspec.field(default_factory=list)  # whether with the right words

    def refused(self, *, answerable: bool) -> float:
        """The part of the questions that are, or are not, answerable that was refused."""
        of = [taken for real, taken in self.verdicts if real == answerable]
        return sum(not taken for taken in of) / max(1, len(of))

    @property
    def precision(self) -> float:
        """The part of refusals that were right."""
        refused = [real for real, taken in self.verdicts if not taken]
        return sum(not real for real in refused) / max(1, len(refused))


class Asker:
    """Asks through the retrieval library, as chat does, and its two sides alone."""

    def __init__(self, store: VectorStore, embedders: QueryEmbedders, account: str) -> None:
        self._store = store
        self._embedders = embedders
        self._retriever = Retriever(store, embedders)
        self._account = account

    async def search(self, chatbot: str, question: str) -> Passages:
        return await self._retriever.search(self._account, chatbot, question, limit=DEPTH)

    async def answer(self, question: str, language: str, found: Passages) -> str:
        """What is said without a model; nothing where nothing is near."""
        if not found.answerable:
            return ""
        asked = Asked(
            chatbot=a_chatbot("eval"),
            language=language,
            text=question,
            asked=found.query,
            history=[],
            passages=found.passages[:PASSAGES],
            search=self._none,
            relate=self._retriever.relate,
        )
        return "\n\n".join(paragraphs(await choose(asked)))

    async def _none(self, query: str) -> Passages:
        return Passages(passages=[], answerable=False, confidence=0.0, query=query)

    async def sides(self, chatbot: str, question: str) -> tuple[list[Hit], list[Hit]]:
        live = await self._store.live()
        assert live is not None
        known = await self._embedders.embed(live, question)
        if known is None:
            raise RuntimeError("The embedder did not answer.")
        asked = [(known.vector, query_terms(question))]
        found = (await self._store.search(live, self._account, chatbot, asked))[0]
        return found.dense, found.sparse


async def evaluate(product: Product, asker: Asker, data: QuestionSet, progress: Progress) -> Result:
    whole, one, two = await _fill(product, data, progress)
    bar = progress.add_task(f"{data.name}: asking", total=len(data.questions))
    result = Result(data.name, len(data.documents))
    waiting = iter(data.questions)

    async def worker() -> None:
        for question in waiting:
            await _ask(asker, question, result, data.language, whole, (one, two))
            progress.advance(bar)

    await asyncio.gather(*(worker() for _ in range(ASKED)))
    return result


async def _ask(
    asker: Asker,
    question: Question,
    result: Result,
    language: str,
    whole: Chatbot,
    halves: Sequence[Chatbot],
) -> None:
    text, wanted = question.question, question.document
    found = await asker.search(whole.id, text)
    result.verdicts.append((wanted is not None, found.answerable))
    if wanted is None:
        return
    if question.answer:
        said = await asker.answer(text, language, found)
        result.answered.append(_plain(question.answer) in _plain(said))
    dense, sparse = await asker.sides(whole.id, text)
    for name, items in (
        ("dense", [(hit.payload or {})["item"] for hit in dense]),
        ("sparse", [(hit.payload or {})["item"] for hit in sparse]),
        ("fused", [passage.knowledge_id for passage in found.passages]),
    ):
        result.ways[name].places.append(whole.rank(items, wanted))
    without = next(half for half in halves if wanted not in half.documents.values())
    result.verdicts.append((False, (await asker.search(without.id, text)).answerable))


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(".")


# -- documents in ----------------------------------------------------------------------------


async def _fill(product: Product, data: QuestionSet, progress: Progress) -> list[Chatbot]:
    """A chatbot with all documents, and two with half of the titles each."""
    first, second = data.halves()
    everything = {document.id for document in data.documents}
    parts = (("all", everything), ("one half", first), ("other half", second))
    bar = progress.add_task(f"{data.name}: indexing", total=2 * len(everything))
    made: list[Chatbot] = []
    for name, ids in parts:
        about = {"name": f"{data.name} {name}", "website": "https://eval.example"}
        chatbot = Chatbot((await product.call("POST", "/api/chatbots", about))["id"], {})
        await _upload(product, data, chatbot, ids)
        made.append(chatbot)
    done, changed = -1, time.monotonic()
    while done < 2 * len(everything):
        now = sum([await _embedded(product, chatbot.id) for chatbot in made])
        if now != done:
            done, changed = now, time.monotonic()
            progress.update(bar, completed=done)
        elif time.monotonic() - changed > STALLED:
            raise RuntimeError(f"Nothing was indexed for {STALLED:.0f} seconds.")
        await asyncio.sleep(0.5)
    return made


async def _upload(product: Product, data: QuestionSet, chatbot: Chatbot, ids: set[str]) -> None:
    waiting = iter([document for document in data.documents if document.id in ids])

    async def worker() -> None:
        for document in waiting:
            body = {
                "chatbotId": chatbot.id,
                "type": "text",
                "title": document.title,
                "content": document.text,
            }
            item = await product.call("POST", "/api/knowledge", body)
            chatbot.documents[item["id"]] = document.id

    await asyncio.gather(*(worker() for _ in range(UPLOADS)))


async def _embedded(product: Product, chatbot: str) -> int:
    """How many items of a chatbot are found by words and by meaning."""
    count, cursor = 0, ""
    while True:
        query = {"chatbotId": chatbot, "limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = await product.call("GET", "/api/knowledge", **query)
        for item in page["data"]:
            if item["status"] == "failed":
                raise RuntimeError(f"{item['title']}: {item['error']['message']}")
            count += item["status"] == "ready" and item["semantic"] == "done"
        cursor = page["pagination"]["cursor"] or ""
        if not cursor:
            return count


# -- what came out ---------------------------------------------------------------------------


def table(results: Sequence[Result]) -> Table:
    out = Table(title="Retrieval through the whole stack", title_justify="left")
    for name in ("set", "found by", "recall@1", "recall@5", "MRR@10"):
        out.add_column(name, justify="left" if name in ("set", "found by") else "right")
    for name in ("abstains: precision", "recall", "answerable refused", "answers right"):
        out.add_column(name, justify="right")
    for result in results:
        for way, ranks in result.ways.items():
            numbers = [f"{v:.3f}" for v in (ranks.recall(1), ranks.recall(5), ranks.mrr)]
            floor = ["", "", "", ""]
            if way == "fused":
                floor = [
                    f"{result.precision:.3f}",
                    f"{result.refused(answerable=False):.3f}",
                    f"{result.refused(answerable=True):.3f}",
                    f"{sum(result.answered) / len(result.answered):.3f}" if result.answered else "",
                ]
            label = f"{result.name} ({result.documents})" if way == "dense" else ""
            out.add_row(label, way, *numbers, *floor, end_section=way == "fused")
    return out


def misses(results: Sequence[Result]) -> list[str]:
    """Goals that were not reached, in words."""
    out: list[str] = []
    for result in results:
        ways = {name: ranks.recall(5) for name, ranks in result.ways.items()}
        if ways["fused"] < GOALS["recall"]:
            out.append(f"{result.name}: fused recall@5 is {ways['fused']:.3f}")
        if ways["fused"] < max(ways["dense"], ways["sparse"]):
            out.append(f"{result.name}: fused recall@5 is behind one of its sides")
        if (share := result.refused(answerable=False)) < GOALS["abstained"]:
            out.append(f"{result.name}: {share:.1%} of unanswerable questions are refused")
        if (share := result.refused(answerable=True)) > GOALS["refused"]:
            out.append(f"{result.name}: {share:.1%} of answerable questions are refused")
    return out


async def main(wanted: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else 130)
    sets = [read(folder) for folder in wanted.data] or own()
    if not wanted.all:
        sets = [data.sample() for data in sets]
        console.print("A sample of each set; --all asks everything.")
    async with AsyncExitStack() as stack:
        with console.status("Starting the product"):
            product = await stack.enter_async_context(running())
        settings = RetrievalSettings(QDRANT_URL=product.vectors_url)  # pyright: ignore[reportCallIssue]
        store = await stack.enter_async_context(VectorStore.open(settings))
        embedders = await stack.enter_async_context(QueryEmbedders.open(settings))
        asker = Asker(store, embedders, product.account)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        progress = Progress(*columns, TimeElapsedColumn(), console=console)
        with progress:
            results = [await evaluate(product, asker, data, progress) for data in sets]
    console.print(table(results))
    for line in misses(results):
        console.print(f"Short of the goal: {line}", style="yellow")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make eval", description="Measure retrieval.")
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[], help="folders of sets; the project's own else"
    )
    parser.add_argument("--all", action="store_true", help="every document and question")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except (RuntimeError, AppError, OSError, msgspec.ValidationError) as exc:
        raise SystemExit(f"{exc}") from exc
