"""Rate limit policies: the documented three by default, more in a file, reread when it changes.

The file (YAML or JSON, ``CHATTERY_RATE_LIMITS``) changes what it names and leaves the rest::

    policies:
      chat: {limit: 20, window: 60}      # 20 requests a minute per IP
      upload: null                       # no limit
      api: {shadow: true}                # counted and reported, never refused
    plans:
      free: {chat: {limit: 5}}           # over the policies, for accounts of this plan

Limits are over any window of that many seconds, not over calendar minutes.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from libs.common.errors import AppError
from libs.common.telemetry import log

RELOAD_INTERVAL = 2.0  # seconds between two looks at the file

Scope = Literal["ip", "user", "account", "subject"]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most ``limit`` requests in any ``window`` seconds for each one counted.

    ``scope`` says whom it counts: the client's address, the person (a key counts for its
    owner, a visitor for itself), the account, or what the route names. Policies that are not
    ``exact`` are held by each gateway for itself, without asking the limiter.
    """

    limit: Annotated[int, Meta(ge=1, le=1_000_000)]
    window: Annotated[float, Meta(gt=0, le=2_678_400)]
    scope: Scope = "user"
    shadow: bool = False
    exact: bool = True


DEFAULTS: dict[str, Policy] = {
    "chat": Policy(limit=10, window=60, scope="ip"),  # documented
    "scrape": Policy(limit=10, window=300, scope="user"),  # documented
    "upload": Policy(limit=5, window=300, scope="user"),  # documented
    "login_ip": Policy(limit=30, window=300, scope="ip"),
    "login_account": Policy(limit=10, window=300, scope="subject"),
    "mail": Policy(limit=10, window=3_600, scope="ip"),  # password resets
    "invitation": Policy(limit=50, window=3_600, scope="account"),  # mails as well
    "guesses": Policy(limit=100, window=60, scope="ip", exact=False),  # keys that are none
    "session": Policy(limit=60, window=60, scope="ip"),  # widget sessions
    "webhook_test": Policy(limit=20, window=60, scope="user"),
    "api": Policy(limit=120_000, window=60, scope="account", exact=False),  # all other routes
}


class BadPolicies(AppError):
    """The rate limit file is not valid."""

    code = "bad_policies"


class Policies(msgspec.Struct, frozen=True):
    """All policies and what the plans change of them."""

    base: dict[str, Policy]
    plans: dict[str, dict[str, Policy | None]] = {}

    def find(self, name: str, plan: str = "") -> Policy | None:
        """The policy that holds for accounts of ``plan``; None where there is no limit."""
        changed = self.plans.get(plan)
        if changed is not None and name in changed:
            return changed[name]
        return self.base.get(name)


_Changes = dict[str, dict[str, Any] | None]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    policies: _Changes | None = None
    plans: dict[str, _Changes | None] | None = None


def parse(text: bytes) -> Policies:
    """Policies from the text of a file. Raises `BadPolicies` with what is wrong."""
    try:
        found = msgspec.convert(_decode(text) or {}, _File)
        base = _merged(DEFAULTS, found.policies or {})
        plans = {
            plan: _changed(base, changes or {}) for plan, changes in (found.plans or {}).items()
        }
    except (msgspec.MsgspecError, ValueError, TypeError) as exc:
        raise BadPolicies(f"The rate limit file is not valid: {exc}") from exc
    return Policies({name: p for name, p in base.items() if p is not None}, plans)


def _decode(text: bytes) -> Any:
    if text.lstrip().startswith(b"{"):
        return msgspec.json.decode(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def _merged(over: Mapping[str, Policy | None], changes: _Changes) -> dict[str, Policy | None]:
    return {**over, **_changed(over, changes)}


def _changed(over: Mapping[str, Policy | None], changes: _Changes) -> dict[str, Policy | None]:
    made: dict[str, Policy | None] = {}
    for name, change in changes.items():
        before = over.get(name)
        known = msgspec.structs.asdict(before) if before else {}
        made[name] = None if change is None else msgspec.convert({**known, **change}, Policy)
    return made


class PolicyFile:
    """The policies in force; `watch` follows the file, keeping the old ones when it is broken."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self.current = Policies(dict(DEFAULTS))
        self.version = 0
        if path is not None:
            self._seen = _stamp(path)
            self.current = parse(path.read_bytes() if self._seen else b"")

    async def watch(self) -> None:
        """Take in changes of the file, until cancelled."""
        while True:
            await asyncio.sleep(RELOAD_INTERVAL)
            if self._path is not None:
                await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read the file again if it is another one than before (also a swapped symlink)."""
        if self._path is None or (stamp := _stamp(self._path)) in (None, self._seen):
            return
        self._seen = stamp
        try:
            self.current = parse(self._path.read_bytes())
        except (BadPolicies, OSError) as exc:
            log.error("rate_limits_not_reloaded", reason=str(exc))
            return
        self.version += 1
        log.info("rate_limits_reloaded", policies=len(self.current.base))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
