"""What the shapes of all services have in common."""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Text = Annotated[str, Meta(min_length=1, max_length=8_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=100)]
Url = Annotated[str, Meta(min_length=1, max_length=2_048)]
Language = Annotated[
    str, Meta(min_length=2, max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Timestamp = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(min_length=1, max_length=128)]
Cursor = Annotated[str, Meta(max_length=512)]


# Fields that hold what nobody may read in a log, whichever shape they are in.
SECRET = frozenset(
    ["current", "headers", "invitation", "jwt", "key", "password", "secret", "token", "user_hash"]
)


class _Discreet(Struct, frozen=True):
    def __repr__(self) -> str:
        told = ((name, getattr(self, name)) for name in self.__struct_fields__)
        parts = (f"{n}={'***' if n in SECRET and v is not None else repr(v)}" for n, v in told)
        return f"{type(self).__name__}({', '.join(parts)})"


class Request(_Discreet, frozen=True, rename="camel", kw_only=True):
    """A request. The gateway refuses unknown fields; on the bus they are ignored (rollouts)."""


class Reply(_Discreet, frozen=True, rename="camel", kw_only=True):
    """A reply, which is also the HTTP body where the call is a public one."""


class Listing(Request, frozen=True, kw_only=True):
    """A page of a list: what comes after ``cursor``, at most ``limit``."""

    cursor: Cursor | None = None
    limit: Limit = 20


class Pagination(Reply, frozen=True, kw_only=True):
    cursor: str | None
    has_more: bool


class Page(Struct, Generic[T], frozen=True, rename="camel", kw_only=True):
    """A page of a list, newest first unless said otherwise."""

    data: list[T]
    pagination: Pagination


class ById(Request, frozen=True, kw_only=True):
    id: Id


class Done(Reply, frozen=True, kw_only=True):
    """Done; nothing to say."""


class Deletion(Reply, frozen=True, kw_only=True):
    id: str
    status: Literal["deleting"] = "deleting"
    job: str


class Job(Reply, frozen=True, kw_only=True):
    """Background work that was accepted. ``progress`` goes from 0 to 1."""

    id: str
    kind: str
    status: Literal["running", "done", "failed"]
    progress: float
    error: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


class Erase(Request, frozen=True, kw_only=True):
    """Remove every trace of a chatbot, or of the whole account when ``chatbot_id`` is None."""

    chatbot_id: str | None = None
    job_id: str


class Erased(Reply, frozen=True, kw_only=True):
    """``done`` is False while something is still being removed: ask again."""

    done: bool
    remaining: int = 0


class Range(Request, frozen=True, kw_only=True):
    """A stretch of time for one chatbot or all; 30 days up to now when left out."""

    chatbot_id: Id | None = None
    from_: Timestamp | None = None
    to: Timestamp | None = None
