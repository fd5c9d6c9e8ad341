"""The port between an answer in flight and whoever writes it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from libs.common.calls import Chatbot, Source
from libs.retrieval.passages import Passage, Passages

Search = Callable[[str], Awaitable[Passages]]
# How near texts are to a question by meaning, from -1 to 1; None where that can't be told.
Relate = Callable[[str, Sequence[str]], Awaitable[Sequence[float] | None]]
FEW = 40  # characters


class AnswerFailed(Exception):
    """The model could not be had, or broke off. ``code`` is for the visitor's frame."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Turn(msgspec.Struct, frozen=True):
    """One earlier message of the conversation."""

    by: Literal["visitor", "bot", "person"]
    text: str


class Spent(msgspec.Struct):
    """What an answer took of a model so far; true also of one that is cut short."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be answered, and from what. ``passages`` passed the relevance floor.

    ``asked`` is the text that found them: a follow-up is completed by the question before it.
    """

    chatbot: Chatbot
    language: str
    text: str
    asked: str
    history: Sequence[Turn]
    passages: Sequence[Passage]
    search: Search
    relate: Relate
    spent: Spent = msgspec.field(default_factory=Spent)  # kept up to date by the answerer


class Delta(msgspec.Struct, frozen=True):
    """A piece of the answer's text; after the ``last`` none follows, as far as can be told."""

    text: str
    last: bool = False
    ready: bool = False  # what follows is there already

    @property
    def slow(self) -> bool:
        """Whether whoever writes is slow: a few words, and what follows is not there yet."""
        return not self.ready and len(self.text) < FEW


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing an answerer says."""

    finish: Literal["complete", "no_answer", "escalated"] = "complete"
    sources: list[Source] = []
    reason: str = ""  # of an escalation
    summary: str = ""


class Answerer(Protocol):
    """Writes one answer: deltas, then one ending. Raises `AnswerFailed`."""

    def answer(self, question: Question) -> AsyncGenerator[Delta | Ending]: ...
