"""What this process holds: a queue an endpoint, each with as many places as it deserves.

An endpoint begins with a few places, gets more as it answers well and loses them as it does
not (as TCP does: additive growth is doubled here, for a short ramp). One that hangs soon has a
single place, so that many that hang don't take the places of those that answer. No account has more
than a share of all places, however many endpoints it has.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.webhooks.store.queue import Busy, Claimed

FIRST_PLACES = 4
MOST_PLACES = 32  # attempts of one endpoint at once, in one process
MOST_OF_ACCOUNT = 128  # attempts of one account at once, in one process
AHEAD = 4  # times its places may be queued, for endpoints at full speed
SLOW = 2.0  # seconds; an endpoint that takes longer does not get more places


@dataclass
class Job:
    """A claimed delivery with all that sending takes."""

    claimed: Claimed
    endpoint: Busy
    claimed_at: float  # of the monotonic clock


Lane = deque[Job]  # deliveries of one conversation, one after the other


@dataclass
class Endpoint:
    account: str = ""
    places: int = FIRST_PLACES
    active: int = 0
    queue: deque[Lane] = field(default_factory=deque[Lane])

    @property
    def room(self) -> int:
        ahead = AHEAD if self.places >= MOST_PLACES else 1
        return max(self.places * ahead - self.active - len(self.queue), 0)

    def answered(self, *, well: bool, seconds: float) -> None:
        if not well or seconds > SLOW * 2:
            self.places = max(self.places // 2, 1)
        elif seconds < SLOW:
            self.places = min(self.places * 2, MOST_PLACES)


class Lanes:
    """``start`` is called with a lane that may go now; `finished` when it is through."""

    def __init__(self, start: Callable[[Lane], None], most: int) -> None:
        self._start = start
        self._most = most
        self._endpoints: dict[str, Endpoint] = {}
        self._turn: deque[str] = deque()  # endpoints with something queued, in turn
        self._of_account: Counter[str] = Counter()
        self.active = 0

    def endpoint(self, id: str) -> Endpoint:
        return self._endpoints.setdefault(id, Endpoint())

    def room(self, id: str) -> int:
        known = self._endpoints.get(id)
        return FIRST_PLACES if known is None else known.room

    @property
    def queued(self) -> int:
        return sum(len(endpoint.queue) for endpoint in self._endpoints.values())

    def add(self, jobs: Sequence[Job]) -> None:
        """Queue claimed deliveries; those of one conversation become one lane."""
        lanes: dict[tuple[str, str], Lane] = {}
        for job in jobs:
            claimed = job.claimed
            name = (claimed.endpoint_id, claimed.key or claimed.id)
            lanes.setdefault(name, deque()).append(job)
        for (id, _), lane in lanes.items():
            endpoint = self.endpoint(id)
            endpoint.account = lane[0].endpoint.account_id
            if not endpoint.queue:
                self._turn.append(id)
            endpoint.queue.append(lane)
        self.pump()

    def finished(self, id: str) -> None:
        endpoint = self.endpoint(id)
        endpoint.active -= 1
        self.active -= 1
        self._of_account[endpoint.account] -= 1
        if not self._of_account[endpoint.account]:
            del self._of_account[endpoint.account]
        self.pump()

    def pump(self) -> None:
        """Start what has a place, one lane of each endpoint in turn."""
        for _ in range(len(self._turn)):
            if self.active >= self._most:
                return
            id = self._turn.popleft()
            endpoint = self._endpoints[id]
            while endpoint.queue and self._has_place(endpoint):
                endpoint.active += 1
                self.active += 1
                self._of_account[endpoint.account] += 1
                self._start(endpoint.queue.popleft())
            if endpoint.queue:
                self._turn.append(id)

    def _has_place(self, endpoint: Endpoint) -> bool:
        return (
            self.active < self._most
            and endpoint.active < endpoint.places
            and self._of_account[endpoint.account] < MOST_OF_ACCOUNT
        )

    def take_queued(self, only: str | None = None) -> list[Job]:
        """What was not started, of one endpoint or of all, taken out."""
        jobs: list[Job] = []
        for id, endpoint in self._endpoints.items():
            if only in (None, id):
                jobs += [job for lane in endpoint.queue for job in lane]
                endpoint.queue.clear()
        self._turn = deque(id for id in self._turn if self._endpoints[id].queue)
        return jobs

    def forget_idle(self) -> None:
        """Keep memory in bounds: endpoints at rest that answered well begin anew."""
        self._endpoints = {
            id: e
            for id, e in self._endpoints.items()
            if e.active or e.queue or e.places < FIRST_PLACES
        }
