"""Invitations and new passwords by e-mail, into a real SMTP server that lets nobody else in."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.gateway import mail
from tests.integration.gateway.conftest import EMAIL, Start, World
from tests.integration.gateway.test_people import login

PUBLIC = "https://chat.example.com"


class Mailbox:
    """Takes what is sent; ``busy`` says how many times to come back later first."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.busy = 0

    async def handle_DATA(self, _: object, __: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.busy:
            self.busy -= 1
            return "451 come back later"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        part = message.get_body()
        assert part is not None
        self.mails += [(to, part.get_content()) for to in envelope.rcpt_tos]
        return "250 OK"

    async def next(self) -> tuple[str, str]:
        end = time.monotonic() + 30
        while not self.mails:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        return self.mails.pop(0)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def smtp(mailbox: Mailbox) -> AsyncIterator[str]:
    def known(*args: object) -> AuthResult:
        data = args[-1]
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"door", b"s p/@ce"))

    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, authenticator=known, auth_required=True, auth_require_tls=False),
        "127.0.0.1",
        0,
    )
    port = server.sockets[0].getsockname()[1]
    yield f"smtp://door:s%20p%2F%40ce@127.0.0.1:{port}"
    server.close()


@pytest.fixture
async def world(start: Start, smtp: str) -> World:
    return await start(smtp_url=smtp, public_url=PUBLIC)


def token_in(text: str, kind: str) -> str:
    link = re.search(rf"{re.escape(PUBLIC)}/dashboard#/{kind}\?token=(\S+)", text)
    assert link is not None, text
    return link.group(1)


async def test_an_invitation_is_mailed_and_not_shown(world: World, mailbox: Mailbox) -> None:
    made = await world.api.post("/api/users", {"email": "ada@example.com"})
    assert (made.status, made.body["invitation"]) == (201, None)
    to, text = await mailbox.next()
    assert to == "ada@example.com"
    body = {"token": token_in(text, "invitation"), "password": "adas own passphrase"}
    joined = await world.api.with_("").post("/api/auth/invitation", body)
    assert (joined.status, joined.body["user"]["email"]) == (200, "ada@example.com")
    assert "Secure" in joined.headers["Set-Cookie"]
    again = await world.api.post(f"/api/users/{made.body['id']}/invite")
    assert again.status == 409


async def test_a_second_invitation_makes_the_first_link_worthless(
    world: World, mailbox: Mailbox
) -> None:
    made = await world.api.post("/api/users", {"email": "ada@example.com"})
    first = token_in((await mailbox.next())[1], "invitation")
    assert (await world.api.post(f"/api/users/{made.body['id']}/invite")).status == 200
    second = token_in((await mailbox.next())[1], "invitation")
    password = "adas own passphrase"
    for token, status in ((first, 400), (second, 200)):
        reply = await world.api.with_("").post(
            "/api/auth/invitation", {"token": token, "password": password}
        )
        assert reply.status == status
    reset = await world.api.with_("").post(
        "/api/auth/reset/confirm", {"token": second, "password": password}
    )
    assert reset.code == "link_expired"


async def test_a_forgotten_password_is_set_anew_and_ends_all_sessions(
    world: World, mailbox: Mailbox
) -> None:
    before = await login(world.api)
    for email in ("nobody@example.com", EMAIL):
        asked = await world.api.with_("").post("/api/auth/reset", {"email": email})
        assert (asked.status, asked.body) == (202, {"accepted": True})
    to, text = await mailbox.next()
    assert to == EMAIL
    new = {"token": token_in(text, "reset"), "password": "a brand new passphrase"}
    assert (await world.api.with_("").post("/api/auth/reset/confirm", new)).status == 200
    assert (await before.get("/api/me")).status == 401
    await login(world.api, password="a brand new passphrase")
    used = await world.api.with_("").post("/api/auth/reset/confirm", new)
    assert (used.status, used.code) == (400, "link_expired")
    assert mailbox.mails == []


async def test_a_mail_server_that_is_busy_is_tried_again(
    world: World, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "FIRST_PAUSE", 0.05)
    mailbox.busy = 2
    await world.api.with_("").post("/api/auth/reset", {"email": EMAIL})
    assert (await mailbox.next())[0] == EMAIL


async def test_the_host_header_does_not_get_into_a_link(world: World, mailbox: Mailbox) -> None:
    await world.api.with_("").post(
        "/api/auth/reset", {"email": EMAIL}, headers={"Host": "evil.example"}
    )
    assert "evil.example" not in (await mailbox.next())[1]


async def test_an_address_no_mail_can_carry_is_refused_before_anybody_is_made(
    world: World,
) -> None:
    for email in ("a,b@example.com", "a@[", "<a@b>", "a b@c", "ä@example.com", "a@-b", ":@x"):
        refused = await world.api.post("/api/users", {"email": email})
        assert (refused.status, refused.body["error"]["details"]) == (400, {"field": "email"})
    assert len((await world.api.get("/api/users")).body["data"]) == 1
