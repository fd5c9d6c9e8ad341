"""What an answer is written from is looked for once, and only where something has to be."""

from types import SimpleNamespace
from typing import Any, cast

from libs.retrieval.passages import Passages
from services.chat.writing import Scene, Writer
from tests.shapes import a_chatbot


class Retriever:
    """Finds nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def search(self, account: str, chatbot: str, query: str, **_: object) -> Passages:
        self.asked.append(f"{account} {chatbot} {query}")
        return Passages(passages=[], answerable=False, confidence=0.0, query=query)


class Sheet:
    """Takes what is written."""

    first_token_ms: int | None = None
    spent = ending = None

    def __init__(self) -> None:
        self.text = ""
        self.rests: list[bool] = []  # whether it came slowly

    async def write(self, text: str) -> None:
        self.text += text

    async def rest(self, *, slow: bool) -> None:
        self.rests.append(slow)


def _made(text: str) -> tuple[Retriever, Writer, Scene]:
    retriever, nobody = Retriever(), cast("Any", None)
    talk = SimpleNamespace(public=SimpleNamespace(status="open"), floor_misses=0)
    scene = Scene("acc_1", "en", a_chatbot("bot_1"), cast("Any", talk), text, [])
    return retriever, Writer(nobody, cast("Any", retriever), nobody, nobody), scene


async def test_what_was_looked_for_ahead_is_not_looked_for_again() -> None:
    retriever, writer, scene = _made("Where is it?")
    sheet = Sheet()
    await writer.write(cast("Any", None), cast("Any", sheet), writer.look(scene))
    assert retriever.asked == ["acc_1 bot_1 Where is it?"]
    assert sheet.text
    assert sheet.rests
    assert not any(sheet.rests)  # all of it was there


async def test_without_a_look_ahead_it_is_looked_for_when_it_is_written() -> None:
    retriever, writer, scene = _made("Where is it?")
    await writer.write(cast("Any", None), cast("Any", Sheet()), scene)
    assert len(retriever.asked) == 1


async def test_for_a_greeting_nothing_is_looked_for_and_nobody_rests_after_it() -> None:
    retriever, writer, scene = _made("Hello")
    sheet = Sheet()
    assert writer.look(scene) is scene
    await writer.write(cast("Any", None), cast("Any", sheet), scene)
    assert not retriever.asked
    assert sheet.text
    assert not sheet.rests
