"""Ids, errors, the keyring, the context and what the log keeps to itself."""

import base64
import json
import os

import pytest

from libs.common import errors, pages
from libs.common.envelope import Actor, Context
from libs.common.ids import is_id, new_id
from libs.common.keyring import BadKeyring, Keyring, SealBroken
from libs.common.telemetry import redact


def test_ids_sort_by_their_making_and_name_their_kind() -> None:
    made = [new_id("conv") for _ in range(200)]
    assert made == sorted(made)
    assert len(set(made)) == 200
    assert all(is_id(one, "conv") and not is_id(one, "msg") for one in made)


@pytest.mark.parametrize("text", ["", "bot_", "bot_a b", "bot_" + "x" * 65, "bot_é", "bot_a\n"])
def test_what_has_not_the_shape_is_no_id(text: str) -> None:
    assert not is_id(text, "bot")


def _tree(base: type[errors.AppError] = errors.AppError) -> list[type[errors.AppError]]:
    here = [base] if base.__module__ == errors.__name__ else []
    return here + [one for child in base.__subclasses__() for one in _tree(child)]


@pytest.mark.parametrize("error", [e for e in _tree() if e is not errors.RemoteError])
def test_every_error_says_what_to_do(error: type[errors.AppError]) -> None:
    body = error().body()
    assert body.message
    assert body.message.endswith((".", "`, or log in."))
    assert 400 <= body.status < 600
    assert body.code == error.code
    if body.status == 503:
        assert body.retry_after


def test_an_error_is_passed_on_as_it_was() -> None:
    said = errors.ErrorBody("odd", "Odd.", {"a": 1}, 409, 2.5)
    assert errors.RemoteError(said).body() == said


def ring(*numbers: int) -> str:
    return ",".join(f"{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in numbers)


def test_a_secret_opens_under_the_key_that_sealed_it() -> None:
    old = Keyring.parse(ring(1))
    sealed = old.seal("whsec_x", "whk_1")
    both = Keyring.parse(ring(1, 2))

    assert b"whsec_x" not in sealed
    assert both.open(sealed, "whk_1") == "whsec_x"
    assert not both.is_current(sealed)
    assert both.is_current(both.seal("whsec_x", "whk_1"))
    assert old.seal("whsec_x", "whk_1") != sealed


def test_a_sealed_secret_opens_for_its_owner_alone_and_unchanged() -> None:
    keys = Keyring.parse(ring(1))
    sealed = keys.seal("s", "whk_1")
    with pytest.raises(SealBroken):
        keys.open(sealed, "whk_2")
    with pytest.raises(SealBroken):
        keys.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "whk_1")
    with pytest.raises(SealBroken):
        Keyring.parse(ring(2)).open(sealed, "whk_1")
    with pytest.raises(SealBroken):
        keys.open(b"", "whk_1")


@pytest.mark.parametrize(
    "text", ["", "1", "1:", "x:" + "A" * 44, "1:AAAA", f"1:{base64.b64encode(b'x' * 31).decode()}"]
)
def test_a_keyring_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadKeyring):
        Keyring.parse(text)


def test_a_context_survives_the_wire() -> None:
    actor = Actor("user", "usr_1", name="Zoë %0A\r\nX: 1", role="agent")
    sent = Context("acc_1", actor, "req_1", 12.5, "00-a-b-01", "2001:db8::1")
    headers = sent.headers()
    assert all("\n" not in v and "\r" not in v and v.isascii() for v in headers.values())
    assert Context.of(headers) == sent


def test_a_message_without_headers_acts_for_nobody() -> None:
    assert Context.of(None).account == ""
    assert Context.of(None).actor.kind == "system"


@pytest.mark.parametrize(
    "text",
    [
        "key ck_live_abcdefSECRETSECRETSECRET used",
        "whsec_SECRETSECRET==",
        "vt_SECRETSECRETSECRET.x",
        "postgresql://chat:SECRET@db/x",
        "https://x/?token=SECRET&a=b",
        "password=SECRET",
        json.dumps({"url": "nats://u:SECRET@h:4222"}),
    ],
)
def test_no_credential_reaches_the_log(text: str) -> None:
    assert "SECRET" not in redact(text)


def test_a_log_keeps_what_is_no_secret() -> None:
    plain = f"conversation conv_{os.urandom(4).hex()} took 12 ms at https://example.com/a:b"
    assert redact(plain) == plain


@pytest.mark.parametrize("position", ["\0", "conv_1\0", "2026-01-01 \0", "\ufffe"])
def test_a_cursor_that_no_list_gave_is_refused(position: str) -> None:
    with pytest.raises(errors.BadRequest):
        pages.decode(pages.encode(position))


def test_a_cursor_of_another_order_is_refused() -> None:
    assert pages.decode(pages.encode("conv_1")) == "conv_1"
    with pytest.raises(errors.BadRequest):
        pages.decode_moment(pages.encode("conv_1"))
