"""One effect for a POST repeated under an ``Idempotency-Key``, around whatever the work is."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from libs.common.errors import AppError, Forbidden, RateLimited, Unauthorized
from libs.common.telemetry import log
from services.gateway.body import TooSlow
from services.gateway.call import JSON, Call
from services.gateway.clientip import counted
from services.gateway.idempotency import Answer, Idempotency

Work = Callable[[], Awaitable[web.StreamResponse]]
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("ETag", "X-Conversation-Id", "X-Answer-Id")
# Refusals that say nothing about the request itself: the repeat may fare better.
PASSING = (Unauthorized.status, Forbidden.status, TooSlow.status, RateLimited.status)


async def once(
    idempotency: Idempotency, call: Call, fingerprint: str, work: Work, again: Work
) -> web.StreamResponse:
    """The answer of ``work``, or of the same request that came before.

    ``again`` follows a streamed answer that was begun before, named by ``call.resumed``.
    Raises 409 while the first is at work, 422 when the key came with another request.
    """
    key = call.request.headers.get(HEADER)
    if key is None:
        return await work()
    first = _First(idempotency, call, _client(call), key, fingerprint)
    kept = await idempotency.begin(first.client, key, fingerprint)
    if kept is None:
        # The client's going away must not leave the work half noted.
        return await asyncio.shield(first.run(work))
    call.headers[REPLAYED] = "true"
    if kept.answer_id:
        call.resumed = kept.answer_id
        return await again()
    return _replay(call, kept)


class _First:
    """The first request under its key."""

    def __init__(
        self, idempotency: Idempotency, call: Call, client: str, key: str, fingerprint: str
    ) -> None:
        self._idempotency = idempotency
        self._call = call
        self.client = client
        self._key = key
        self._fingerprint = fingerprint
        self._begun = False  # a streamed answer has an id: whatever happens, it is not asked again

    async def run(self, work: Work) -> web.StreamResponse:
        self._call.started = self._started
        try:
            response = await work()
        except AppError as exc:
            await self._failed(exc)
            raise
        except BaseException:
            await self._forget()
            raise
        if isinstance(response, web.Response) and not self._begun:
            await self._keep(_kept(response))
        return response

    async def _started(self, answer: str) -> None:
        self._begun = True
        await self._keep(Answer(200, answer_id=answer))

    async def _failed(self, exc: AppError) -> None:
        if exc.wire_status >= 500 or exc.wire_status in PASSING:
            await self._forget()
        elif not self._begun:
            await self._keep(_kept(self._call.refuse(exc)))

    async def _keep(self, answer: Answer) -> None:
        """The work is done, so that it can't be kept is no reason to say it failed."""
        try:
            await self._idempotency.finish(self.client, self._key, self._fingerprint, answer)
        except AppError as exc:
            log.warning("idempotency_not_kept", reason=exc.message)

    async def _forget(self) -> None:
        if self._begun:
            return
        try:
            await self._idempotency.forget(self.client, self._key)
        except AppError as exc:
            log.warning("idempotency_not_forgotten", reason=exc.message)


def _client(call: Call) -> str:
    """Whose keys these are: an account's, a visitor's, or of nobody known an address's."""
    principal = call.principal
    if principal.is_visitor:
        return f"{principal.account}/{principal.actor.id}"
    return principal.account or f"ip/{counted(call.ip)}"


def _kept(response: web.Response) -> Answer:
    headers = [(name, response.headers[name]) for name in KEPT_HEADERS if name in response.headers]
    headers += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    body = response.body
    return Answer(response.status, bytes(body) if isinstance(body, bytes) else b"", headers=headers)


def _replay(call: Call, kept: Answer) -> web.Response:
    headers: list[tuple[str, str]] = [*call.headers.items(), *kept.headers]
    if kept.body:
        headers.append(("Content-Type", JSON))
    return web.Response(body=kept.body, status=kept.status, headers=headers)
