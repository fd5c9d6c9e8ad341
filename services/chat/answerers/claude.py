"""Answers written by a model through Anthropic's Messages API, streamed.

The SDK calls, over its aiohttp transport, and retries on 408, 409, 429, 5xx and 529; the events
are read by `sse`. Then the fallback model is tried, as long as nothing was shown.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import httpx2
import msgspec
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from opentelemetry.trace import SpanKind

from libs.common.calls import Source
from libs.common.telemetry import exemplar, log, span
from libs.retrieval.passages import Passage
from services.chat import metrics
from services.chat.answerers import prompts, sse
from services.chat.answerers.citations import Citations
from services.chat.answerers.port import AnswerFailed, Delta, Ending, Question, Spent
from services.chat.answerers.quotes import one_per_item, source, supporting
from services.chat.answerers.tokens import estimated

MAX_TOKENS = 1024  # of an answer
MAX_ROUNDS = 4  # of tool use
RETRIES = 2
TIMEOUT = 60.0  # seconds for one call of the model


# The SDK wraps what fails before the first byte; what fails after it comes from the transport.
_FAILURES = (anthropic.APIError, httpx2.HTTPError, aiohttp.ClientError, AnswerFailed)


class Prices(msgspec.Struct, frozen=True):
    """US dollars a million tokens."""

    input: float = 3.0
    output: float = 15.0
    cache_read: float = 0.3
    cache_write: float = 3.75


class Model(msgspec.Struct, frozen=True):
    name: str
    prices: Prices = Prices()


class _Meter:
    """Counts what one call of a model takes."""

    def __init__(self, spent: Spent, prices: Prices) -> None:
        self._spent = spent
        self._prices = prices
        self._unreported = ""  # written since the model last told its tokens

    def started(self, usage: sse.Usage) -> None:
        read = usage.cache_read_input_tokens or 0
        write = usage.cache_creation_input_tokens or 0
        plain = usage.input_tokens or 0
        self._spent.input_tokens += plain + read + write
        self._spent.cost_usd += (
            plain * self._prices.input
            + read * self._prices.cache_read
            + write * self._prices.cache_write
        ) / 1e6

    def writing(self, text: str) -> None:
        self._unreported += text

    def wrote(self, tokens: int) -> None:
        self._unreported = ""
        self._spent.output_tokens += tokens
        self._spent.cost_usd += tokens * self._prices.output / 1e6

    def close(self) -> None:
        """Of an answer that was cut short nobody tells the tokens: they are estimated."""
        if self._unreported:
            self.wrote(estimated(self._unreported))


class _Round(msgspec.Struct):
    """What one call of the model came to, put together from its events."""

    content: list[dict[str, Any]] = []
    stop: str | None = None
    ended: bool = False
    arguments: str = ""  # of the tool call being written

    def feed(self, event: sse.Event, meter: _Meter) -> str:
        """Take in an event; the text it brings, if any."""
        match event.type:
            case "message_start":
                meter.started(event.message.usage)
            case "content_block_start":
                self.content.append(_block(event.content_block))
                self.arguments = ""
            case "content_block_delta":
                text = self._delta(event.delta)
                meter.writing(text)
                return text
            case "content_block_stop" if self.content and self.content[-1]["type"] == "tool_use":
                self.content[-1]["input"] = _arguments(self.arguments)
            case "message_delta":
                self.stop = event.delta.stop_reason
                meter.wrote(event.usage.output_tokens or 0)
            case "message_stop":
                self.ended = True
            case _:
                pass
        return ""

    def _delta(self, delta: sse.Delta) -> str:
        if not self.content:
            raise AnswerFailed("model_broke_off", "The model's answer could not be read.")
        if delta.type == "text_delta":
            self.content[-1]["text"] += delta.text
            return delta.text
        if delta.type == "input_json_delta":
            self.arguments += delta.partial_json
        return ""


class ClaudeAnswerer:
    def __init__(self, client: AsyncAnthropic, models: tuple[Model, ...]) -> None:
        self._client = client
        self._models = models

    @classmethod
    @asynccontextmanager
    async def open(
        cls, key: str, base_url: str | None, models: tuple[Model, ...]
    ) -> AsyncIterator["ClaudeAnswerer"]:
        async with AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=RETRIES,
            timeout=TIMEOUT,
            http_client=DefaultAioHttpClient(),
            open_telemetry=False,  # the span of a call is ours
        ) as client:
            yield cls(client, models)

    async def answer(self, question: Question) -> AsyncGenerator[Delta | Ending]:
        """Raises `AnswerFailed`."""
        known = list(question.passages)
        citations = Citations()
        messages = prompts.messages(question)
        shown = False
        for _ in range(MAX_ROUNDS):
            made = _Round()
            call = self._call(question, messages, made, shown=shown)
            async with aclosing(call) as pieces:
                async for text in pieces:
                    if clean := citations.feed(text):
                        shown = True
                        yield Delta(clean, last=made.stop not in (None, "tool_use"))
            calls = [block for block in made.content if block["type"] == "tool_use"]
            if made.stop != "tool_use" or not calls:
                break
            handed = next((c for c in calls if c["name"] == prompts.ESCALATE), None)
            if handed is not None and question.chatbot.handoff.enabled:
                if rest := citations.flush():
                    yield Delta(rest, last=True)
                yield _handed_over(handed["input"])
                return
            messages.append({"role": "assistant", "content": made.content})
            results = [await _search(call, question, known) for call in calls]
            messages.append({"role": "user", "content": results})
        if rest := citations.flush():
            yield Delta(rest, last=True)
        sources = _sources(known, citations.cited, question.language)
        yield Ending(finish="complete" if sources else "no_answer", sources=sources)

    async def _call(
        self,
        question: Question,
        messages: list[dict[str, Any]],
        made: _Round,
        *,
        shown: bool,
    ) -> AsyncGenerator[str]:
        """One call of the model; of the fallback when the first can't be had at all."""
        for last, model in _with_last(self._models):
            started = time.perf_counter()
            outcome = "failed"
            try:
                with span("llm.messages", kind=SpanKind.CLIENT, attributes=_gen_ai(model.name)):
                    stream = self._stream(model, question, messages, made)
                    async with aclosing(stream) as pieces:
                        async for text in pieces:
                            shown = True
                            yield text
                outcome = "done"
                return
            except _FAILURES as exc:
                log.warning("model_failed", model=model.name, error=type(exc).__name__, shown=shown)
                if shown or last:
                    raise _failed(exc) from exc
                made.content.clear()
            finally:
                seconds = time.perf_counter() - started
                metrics.LLM_SECONDS.labels(outcome).observe(seconds, exemplar())

    async def _stream(
        self,
        model: Model,
        question: Question,
        messages: list[dict[str, Any]],
        made: _Round,
    ) -> AsyncGenerator[str]:
        create: Any = self._client.messages.with_streaming_response.create  # plain dictionaries
        meter = _Meter(question.spent, model.prices)
        async with create(
            model=model.name,
            max_tokens=MAX_TOKENS,
            system=prompts.system(question.chatbot),
            messages=messages,
            tools=prompts.tools(question.chatbot),
            stream=True,
        ) as response:
            try:
                await asyncio.sleep(0)  # the busier we are, the more is there at the first look
                async for batch in sse.batches(response.iter_bytes()):
                    if text := "".join([made.feed(event, meter) for event in batch]):
                        yield text
            finally:
                meter.close()
        if not made.ended:
            raise AnswerFailed("model_broke_off", "The model's answer broke off.")


def _gen_ai(model: str) -> dict[str, str]:
    """As OpenTelemetry's conventions for generative AI name them."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
    }


def _with_last(models: tuple[Model, ...]) -> list[tuple[bool, Model]]:
    return [(number == len(models) - 1, model) for number, model in enumerate(models)]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block.get("type") == "tool_use":
        named = {"id": str(block.get("id")), "name": str(block.get("name"))}
        return {"type": "tool_use", **named, "input": {}}
    return {"type": "text", "text": str(block.get("text") or "")}


def _arguments(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _search(call: dict[str, Any], question: Question, known: list[Passage]) -> dict[str, Any]:
    """The result of a search: further passages, numbered on; only those above the floor."""
    query = str(call["input"].get("query", ""))[:2000]
    text = "Nothing was found."
    if call["name"] == prompts.SEARCH and query:
        found = await question.search(query)
        fresh = [p for p in found.passages if all(p.id != k.id for k in known)]
        if found.answerable and fresh:
            text = prompts.passages(fresh, first=len(known) + 1)
            known.extend(fresh)
    return {"type": "tool_result", "tool_use_id": call["id"], "content": text}


def _handed_over(arguments: dict[str, Any]) -> Ending:
    return Ending(
        finish="escalated",
        reason=_text(arguments, "reason")[:500],
        summary=_text(arguments, "summary")[:1000],
    )


def _text(arguments: dict[str, Any], name: str) -> str:
    return str(arguments.get(name) or "").replace("\0", "")  # which Postgres can't store


def _sources(known: list[Passage], cited: dict[int, str], language: str) -> list[Source]:
    """The passages that were cited, each with the sentence that supports the statement."""
    found = [
        source(known[number - 1], supporting(known[number - 1], statement, language))
        for number, statement in cited.items()
        if 1 <= number <= len(known)
    ]
    return one_per_item(found)


def _failed(exc: Exception) -> AnswerFailed:
    if isinstance(exc, AnswerFailed):
        return exc
    if isinstance(exc, anthropic.RateLimitError):
        return AnswerFailed("model_busy", "The model takes no more requests at the moment.")
    if isinstance(exc, anthropic.APIStatusError) and exc.status_code == 529:
        return AnswerFailed("model_busy", "The model is overloaded at the moment.")
    if isinstance(exc, anthropic.APITimeoutError):
        return AnswerFailed("model_timeout", "The model did not answer in time.")
    if isinstance(exc, httpx2.HTTPError | aiohttp.ClientError):
        return AnswerFailed("model_broke_off", "The model's answer broke off.")
    return AnswerFailed("model_unavailable", "The model could not be reached.")
