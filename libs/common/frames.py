"""Frames of a streamed answer: as they travel on ``answers.<answer id>``, and as SSE.

On the bus a frame is its number, a mark, and the JSON that the client will see, so that the
gateway passes bytes on without decoding them: ``b"12 {...}"``, and ``b"13!{...}"`` the last.
"""

import msgspec

_encode = msgspec.json.Encoder().encode

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"


class Frame(msgspec.Struct, frozen=True):
    """Frame number ``n`` (from 1) of an answer; ``data`` is JSON."""

    n: int
    data: bytes
    last: bool = False

    def on_bus(self) -> bytes:
        return b"%d%b%b" % (self.n, b"!" if self.last else b" ", self.data)

    @classmethod
    def from_bus(cls, message: bytes) -> "Frame":
        end = 0
        while message[end : end + 1].isdigit():
            end += 1
        return cls(int(message[:end]), message[end + 1 :], message[end : end + 1] == b"!")

    def as_sse(self, answer_id: str) -> bytes:
        return b"id: %b:%d\ndata: %b\n\n" % (answer_id.encode(), self.n, self.data)


def text_data(text: str, conversation_id: str) -> bytes:
    """``{"text": ..., "conversationId": ...}`` with the documented spaces."""
    return b'{"text": %b, "conversationId": %b}' % (_encode(text), _encode(conversation_id))


def last_data(conversation_id: str, rest: dict[str, object]) -> bytes:
    """The data of the last frame: an empty text, the conversation, and what only it carries."""
    more = b"".join(b", %b: %b" % (_encode(key), _encode(value)) for key, value in rest.items())
    return b'{"text": "", "conversationId": %b%b}' % (_encode(conversation_id), more)
