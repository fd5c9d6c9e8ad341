"""Compares what happened (the outbox) with what is written down (deliveries) and what arrived.

At least once: every event was received. The same event, the same ``webhook-id``: whatever came
twice can be told. In order: of each conversation, the first arrivals are in the order in which
the events were committed. Written down: each delivery ended ``succeeded``.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from libs.common.db import Database


@dataclass(frozen=True)
class Happened:
    """One event as it was committed."""

    id: str
    conversation: str
    message: str


@dataclass(frozen=True)
class Arrived:
    """One request as the receiver had it."""

    webhook_id: str
    conversation: str
    message: str


@dataclass
class Verdict:
    lost: list[str] = field(default_factory=list[str])
    strange: list[str] = field(default_factory=list[str])  # never happened, or under another id
    disordered: list[str] = field(default_factory=list[str])  # conversations
    unwritten: list[str] = field(default_factory=list[str])  # no delivery that succeeded
    repeats: int = 0

    @property
    def fine(self) -> bool:
        return not (self.lost or self.strange or self.disordered or self.unwritten)


def check(happened: Sequence[Happened], arrived: Iterable[Arrived], succeeded: set[str]) -> Verdict:
    verdict = Verdict()
    known = {event.id: event for event in happened}
    firsts: dict[str, dict[str, None]] = defaultdict(dict)
    count = 0
    for request in arrived:
        count += 1
        event = known.get(request.webhook_id)
        if event is None or (event.conversation, event.message) != (
            request.conversation,
            request.message,
        ):
            verdict.strange.append(request.webhook_id)
            continue
        firsts[request.conversation].setdefault(request.webhook_id)
    order: dict[str, list[str]] = defaultdict(list)
    for event in happened:
        order[event.conversation].append(event.id)
        if event.id not in firsts[event.conversation]:
            verdict.lost.append(event.id)
        if event.id not in succeeded:
            verdict.unwritten.append(event.id)
    verdict.disordered = [c for c, ids in order.items() if list(firsts[c]) != ids]
    verdict.repeats = count - sum(len(ids) for ids in firsts.values())
    return verdict


async def succeeded(db: Database, endpoint: str) -> set[str]:
    """The events whose delivery to an endpoint is written down as a success."""
    async with db.system() as tx:
        cursor = await tx.execute(
            "select event_id from deliveries where endpoint_id = %s and status = 'succeeded'",
            (endpoint,),
        )
        return {row["event_id"] for row in await cursor.fetchall()}
