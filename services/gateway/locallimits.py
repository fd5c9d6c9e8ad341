"""Limits counted in this process: for when the limiter is away, and for those that need not be exact."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from libs.common.calls import LimitState
from libs.common.limits import Policy

MAX_WINDOWS = 20_000  # subjects remembered; the least recently seen are forgotten


class Log:
    """Every admission of the last window: exact.

    A request counts from when it arrived, before the limiter was asked: what is remembered here
    never leaves later than what the limiter remembers, and so refuses nothing it would admit.
    """

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def look(self, policy: Policy, now: float) -> tuple[int, float]:
        """How many there are, and seconds until there is room for one more (0: now)."""
        border = now - policy.window
        while self._times and self._times[0] <= border:
            self._times.popleft()
        excess = len(self._times) + 1 - policy.limit
        wait = self._times[excess - 1] - border if excess > 0 else 0.0
        return len(self._times), wait

    def add(self, _: Policy, arrived: float) -> None:
        place = len(self._times)
        while place and self._times[place - 1] > arrived:  # several were asked about at once
            place -= 1
        self._times.insert(place, arrived)

    def reset(self, policy: Policy, now: float) -> float:
        return self._times[0] + policy.window - now if self._times else 0.0


class Counter:
    """Two halves of a window, the older one fading out: near enough, and small."""

    __slots__ = ("_before", "_now", "_start")

    def __init__(self) -> None:
        self._start = 0.0
        self._now = 0
        self._before = 0

    def look(self, policy: Policy, now: float) -> tuple[int, float]:
        passed = now - self._start
        if passed >= policy.window:
            self._before = self._now if passed < 2 * policy.window else 0
            self._now = 0
            self._start = now - passed % policy.window if passed < 2 * policy.window else now
            passed = now - self._start
        held = int(self._now + self._before * (1 - passed / policy.window))
        return held, 0.0 if held < policy.limit else max(0.05, policy.window / policy.limit)

    def add(self, _: Policy, __: float) -> None:
        self._now += 1

    def reset(self, policy: Policy, now: float) -> float:
        return max(0.0, self._start + policy.window - now)


class LocalLimits:
    """Windows by policy and subject, bounded in number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[tuple[str, str], Log | Counter] = OrderedDict()

    def wait(self, name: str, subject: str, policy: Policy) -> float:
        """Seconds until one more is within the limit; 0 when it is now."""
        return self._window(name, subject, policy).look(policy, self._clock())[1]

    def now(self) -> float:
        return self._clock()

    def add(self, name: str, subject: str, policy: Policy, arrived: float | None = None) -> None:
        """``arrived`` is a time of `now`; this moment when it is left out."""
        when = self._clock() if arrived is None else arrived
        self._window(name, subject, policy).add(policy, when)

    def state(self, name: str, subject: str, policy: Policy) -> LimitState:
        now = self._clock()
        window = self._window(name, subject, policy)
        held, _ = window.look(policy, now)
        return LimitState(
            policy=name,
            limit=policy.limit,
            window=policy.window,
            remaining=max(0, policy.limit - held),
            reset=window.reset(policy, now),
        )

    def _window(self, name: str, subject: str, policy: Policy) -> Log | Counter:
        key = (name, subject)
        window = self._windows.get(key)
        if window is None or isinstance(window, Log) != policy.exact:
            window = self._windows[key] = Log() if policy.exact else Counter()
            if len(self._windows) > MAX_WINDOWS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return window
