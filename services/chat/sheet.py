"""The frames of one answer: numbered, shown as they are written, remembered until it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from libs.common.bus import Bus
from libs.common.calls import Asked, Source
from libs.common.errors import AppError
from libs.common.frames import Frame, last_data, text_data
from libs.common.telemetry import log
from services.chat.answerers.port import Ending, Spent


class Sheet:
    """Frames 1 to n of an answer. What can't be sent now is read from the answer later.

    Whoever writes rests between two frames: what a model writes meanwhile comes as one, so that
    a fast one does not drown those in between.
    """

    def __init__(
        self,
        bus: Bus,
        answer: str,
        conversation: str,
        *,
        waited: float = 0.0,
        pace: Callable[[bool], float] = lambda _: 0.0,
    ) -> None:
        """``waited`` is how many seconds ago it was asked for.

        ``pace`` tells those to rest, where what is written comes slowly and where it does not.
        """
        self._bus = bus
        self._answer = answer
        self._conversation = conversation
        self._started = time.monotonic() - waited
        self._pace = pace
        self.frames: list[str] = []  # those with text
        self.last = ""  # the last one, once the answer ended
        self.text = ""
        self.notice = ""  # added at the end, when people take over
        self.first_token_ms: int | None = None
        self.ending = Ending()
        self.spent = Spent()

    @classmethod
    def finished(cls, bus: Bus, asked: Asked, text: str, message: str) -> "Sheet":
        """An answer that is a notice and nothing else."""
        sheet = cls(bus, asked.answer_id, asked.conversation_id)
        if text:
            sheet.frames.append(text_data(text, asked.conversation_id).decode())
            sheet.text = text
        sheet.end(message, "escalated", [])
        return sheet

    def resume(self, shown: list[str]) -> None:
        """Go on after what another process has shown."""
        self.frames = list(shown)
        self.text = "".join(_text(frame) for frame in shown)

    async def write(self, text: str) -> None:
        """Show a piece of text; what no text may hold (NUL, in Postgres) is left out."""
        text = text.replace("\0", "")
        if not text:
            return
        if self.first_token_ms is None:
            self.first_token_ms = round((time.monotonic() - self._started) * 1000)
        self.text += text
        data = text_data(text, self._conversation)
        self.frames.append(data.decode())
        await self._send(Frame(len(self.frames), data))

    async def rest(self, *, slow: bool) -> None:
        """Before more is written."""
        await asyncio.sleep(self._pace(slow))

    def end(
        self,
        message: str | None,
        finish: str,
        sources: list[Source],
        error: tuple[str, str] | None = None,
    ) -> None:
        """Add the last frame; `send_last` shows it, once the answer is safe."""
        rest: dict[str, Any] = {
            "messageId": message,
            "answerId": self._answer,
            "finishReason": finish,
            "sources": sources,
        }
        if error is not None:
            rest["error"] = {"code": error[0], "message": error[1]}
        self.last = last_data(self._conversation, rest).decode()

    async def add_notice(self, text: str) -> None:
        """Show a notice after the text, once, however often storing the end is tried."""
        if text and not self.notice:
            self.notice = text
            await self.write(("\n\n" if self.text else "") + text)

    @property
    def all(self) -> list[str]:
        """Every frame of an answer that ended."""
        return [*self.frames, self.last]

    async def send_last(self) -> None:
        await self._send(Frame(len(self.frames) + 1, self.last.encode(), last=True))

    async def send_all(self) -> None:
        """Show an answer that was finished before anything of it was shown."""
        for number, data in enumerate(self.frames, start=1):
            await self._send(Frame(number, data.encode()))
        await self.send_last()

    async def _send(self, frame: Frame) -> None:
        try:
            await self._bus.publish(f"answers.{self._answer}", frame.on_bus())
        except AppError as exc:
            log.warning("frame_not_sent", answer=self._answer, n=frame.n, reason=exc.message)


def _text(frame: str) -> str:
    return msgspec.json.decode(frame).get("text", "")
