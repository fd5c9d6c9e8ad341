"""Keys, tokens, origins, secrets: what is taken, and what is never shown."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apikeys import is_key, new_key
from libs.common.calls import CreateWebhook, IdentitySecret
from services.gateway.apikeys import CreatedKey
from services.gateway.errors import TokenExpired
from services.gateway.links import Reset
from services.gateway.login import Login
from services.gateway.origins import matches
from services.gateway.profile import ChangePassword
from services.gateway.secrets import BadSecret, Secrets
from services.gateway.settings import Settings
from services.gateway.visitors import VisitorTokens
from services.gateway.widget import OpenSession

OLD, NEW = "1:" + "a" * 64, "2:" + "b" * 64


def test_a_key_carries_a_checksum_that_tells_it_from_a_typo() -> None:
    key = new_key()
    assert is_key(key)
    assert new_key(test=True).startswith("ck_test_")
    for place in range(8, len(key)):
        other = "0" if key[place] != "0" else "1"
        assert not is_key(key[:place] + other + key[place + 1 :])


def test_what_an_old_secret_made_is_taken_while_it_is_listed() -> None:
    before = VisitorTokens(Secrets(OLD))
    token, _ = before.make("acc_1", "bot_1", "vis_1")
    both = VisitorTokens(Secrets(f"{OLD},{NEW}"))
    assert both.identify(token).account == "acc_1"
    with pytest.raises(TokenExpired):
        VisitorTokens(Secrets(NEW)).identify(token)


def test_a_request_or_answer_shows_no_secret_when_it_is_printed() -> None:
    moment = datetime.now(UTC)
    shown = [
        Login(email="a@b.example", password="hidden-1"),
        ChangePassword(current="hidden-1", password="hidden-2"),
        Reset(token="hidden-1", password="hidden-2"),
        OpenSession(chatbot_id="bot_1", token="hidden-1", user_hash="hidden-2", jwt="hidden-3"),
        CreatedKey(
            id="key_1",
            name="Server",
            prefix="ck_live_ab",
            scopes=["chat"],
            test=False,
            expires_at=None,
            last_used_at=None,
            created_at=moment,
            user_id="usr_1",
            key="hidden-1",
        ),
        IdentitySecret(secret="hidden-1"),
        CreateWebhook(url="https://a.example", headers={"Authorization": "hidden-1"}),
    ]
    for one in shown:
        assert "hidden" not in f"{one!r} {one} {[one]}"
    assert "a@b.example" in repr(shown[0])  # the rest is there


def test_settings_show_no_secret_when_they_are_printed() -> None:
    hidden = "hidden" * 8
    told = Settings.model_validate(
        {
            "NATS_URL": f"nats://gateway:{hidden}@127.0.0.1",
            "DATABASE_URL": f"postgresql://gateway:{hidden}@127.0.0.1/x",
            "REDIS_URL": f"redis://:{hidden}@127.0.0.1/0",
            "secret": f"1:{hidden}",
            "operator_token": hidden,
            "admin_password": hidden,
            "bootstrap_api_key": hidden,
            "smtp_url": f"smtp://a:{hidden}@127.0.0.1",
        }
    )
    assert hidden not in f"{told!r} {told} {[told]}"


def test_a_secret_is_not_in_its_repr() -> None:
    assert "a" * 64 not in repr(Secrets(OLD))
    for bad in ("", "1:short", "x:" + "a" * 64, "a" * 64):
        with pytest.raises(BadSecret):
            Secrets(bad)


@given(st.text(max_size=300))
def test_no_text_breaks_a_token_or_passes_for_one(text: str) -> None:
    tokens = VisitorTokens(Secrets(OLD))
    for attempt in (text, f"vt_{text}"):
        assert tokens.chatbot(attempt) is None


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        ("https://a.example", [], True),
        ("https://a.example", ["https://a.example"], True),
        ("https://a.example", ["https://a.example/"], True),
        ("https://a.example:443", ["https://a.example"], True),
        ("http://a.example", ["https://a.example"], False),
        ("https://a.example", ["a.example"], True),
        ("https://a.example.evil.test", ["a.example"], False),
        ("https://eu.a.example", ["https://*.a.example"], True),
        ("https://a.example", ["https://*.a.example"], False),
        ("https://eva.example", ["https://*.a.example"], False),
        ("null", ["https://a.example"], False),
        ("https://a.example:8443", ["https://a.example"], False),
    ],
)
def test_origins_match_exactly_or_by_subdomain(
    origin: str, allowed: list[str], expected: bool
) -> None:
    assert matches(origin, allowed) is expected
