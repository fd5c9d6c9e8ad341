"""Who changed what, when, from where."""

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import Call
from services.gateway.store import audit as store

CHANGING = ("key", "user", "operator")


class Audit:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def record(self, call: Call, account: str | None = None) -> None:
        """Note a change that was made. The change stands even when this fails, which is logged."""
        actor = call.principal.actor
        account = account or call.principal.account
        if actor.kind not in CHANGING or not account or call.route is None:
            return
        target = call.target or next(iter(call.params.values()), "")
        action = call.action or call.route.name
        try:
            async with self._db.transaction(account) as tx:
                await store.add(
                    tx,
                    account,
                    new_id("aud"),
                    actor_kind=actor.kind,
                    actor_id=actor.id,
                    action=action,
                    target=target[:200],
                    ip=call.ip,
                    request_id=call.id,
                )
        except AppError as exc:
            log.error("audit_not_written", action=action, target=target, reason=exc.message)
