"""What the stack is made of, as data: passwords, permissions, addresses, environments."""

import json
import stat
from pathlib import Path

import pytest

from deploy.local import secrets
from deploy.local.secrets import SERVICES
from deploy.local.servers import nats_config
from deploy.local.stack import Stack
from deploy.local.supervisor import reason
from libs.common.apikeys import is_key
from libs.common.permissions import NATS_PERMISSIONS

PASSWORDS = {name: f"pw-{name}" for name in ("admin", *SERVICES)}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path, 0, {})


def test_secrets_are_made_once_and_kept_to_their_owner(tmp_path: Path) -> None:
    first = secrets.load(tmp_path)
    assert secrets.load(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert is_key(first["api_key"])
    assert len({first[f"db_{s}"] for s in SERVICES} | {first[f"nats_{s}"] for s in SERVICES}) == 10


def test_a_secret_that_a_newer_version_needs_is_added(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"email": "me@example.org"}))
    known = secrets.load(tmp_path)
    assert known["email"] == "me@example.org"
    assert known["operator_token"]


def test_each_service_is_a_user_of_nats_with_its_subjects(tmp_path: Path) -> None:
    config = json.loads(nats_config(tmp_path, 4222, PASSWORDS))
    users = {user["user"]: user for user in config["authorization"]["users"]}

    assert set(users) == {"admin", *SERVICES}
    assert "permissions" not in users["admin"]
    assert config["jetstream"]["sync_interval"] == "always"
    assert config["listen"] == "127.0.0.1:4222"
    for service in SERVICES:
        assert users[service]["password"] == f"pw-{service}"
        allowed = users[service]["permissions"]
        assert allowed["publish"]["allow"] == list(NATS_PERMISSIONS[service]["publish"])
        assert f"_INBOX.{service}.>" in allowed["subscribe"]["allow"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_hears_no_other_services_inbox_or_requests(service: str) -> None:
    own = {"ingest": "knowledge"}.get(service, service)
    others = ({"gateway", "chat", "knowledge", "webhooks", "ratelimit"} - {own}) | {
        f"_INBOX.{other}" for other in SERVICES if other != service
    }
    heard = NATS_PERMISSIONS[service]["subscribe"]
    assert not [s for s in heard if s == ">" or s.removesuffix(".>") in others]
    assert not [s for s in NATS_PERMISSIONS[service]["publish"] if s in (">", "$JS.API.>")]


def test_a_service_gets_its_own_credentials_and_no_others(stack: Stack) -> None:
    for program in stack.services():
        given = " ".join(program.env.values())
        for other in set(SERVICES) - {program.name}:
            assert stack.secrets[f"nats_{other}"] not in given
            assert stack.secrets[f"db_{other}"] not in given
        assert stack.secrets["postgres"] not in given


def test_only_a_migration_is_told_the_superusers_address(stack: Stack) -> None:
    for service, argv, env in stack.migrations():
        assert argv[-2:] == [f"services.{service}", "migrate"]
        assert env["DATABASE_ADMIN_URL"] == stack.admin_database_url()
        assert env["CHATTERY_DB_PASSWORD"] == stack.secrets[f"db_{service}"]


@pytest.mark.parametrize(
    ("admin", "derived"),
    [
        ("postgresql://root:pw@db.example:6432/shop", "@db.example:6432/shop"),
        ("postgresql://db.example/shop?sslmode=require", "@db.example/shop?sslmode=require"),
        ("postgresql://root:p%40w@[::1]:5432/shop", "@[::1]:5432/shop"),
    ],
)
def test_a_database_of_ones_own_is_reached_as_the_services_role(
    tmp_path: Path, admin: str, derived: str
) -> None:
    stack = Stack(tmp_path, 0, {"DATABASE_URL": admin})
    url = stack.database_url("chat")
    assert url == f"postgresql://chat:{stack.secrets['db_chat']}{derived}"
    assert "root" not in url


def test_an_empty_variable_means_our_own_server(tmp_path: Path) -> None:
    empty = dict.fromkeys(("DATABASE_URL", "NATS_URL", "REDIS_URL", "QDRANT_URL"), "")
    assert len(Stack(tmp_path, 0, empty).servers()) == 4


def test_what_the_user_sets_wins(tmp_path: Path) -> None:
    stack = Stack(
        tmp_path,
        9000,
        {"CHATTERY_OPERATOR_TOKEN": "mine", "CHATTERY_ADMIN_EMAIL": "me@example.org"},
    )
    (gateway,) = [p for p in stack.services() if p.name == "gateway"]
    assert gateway.env["CHATTERY_OPERATOR_TOKEN"] == "mine"
    assert gateway.env["CHATTERY_ADMIN_EMAIL"] == "me@example.org"
    assert gateway.env["CHATTERY_PORT"] == "9000"
    assert stack.base_url == "http://127.0.0.1:9000"


def test_loopback_may_be_forbidden(tmp_path: Path) -> None:
    strict = {"CHATTERY_FETCH_ALLOW": "", "CHATTERY_WEBHOOK_ALLOW": ""}
    given = {program.name: program.env for program in Stack(tmp_path, 0, strict).services()}
    assert given["ingest"]["CHATTERY_FETCH_ALLOW"] == ""
    assert given["webhooks"]["CHATTERY_WEBHOOK_ALLOW"] == ""


def test_all_addresses_are_loopback(stack: Stack) -> None:
    urls = (stack.nats_url("chat"), stack.redis_url(), stack.vectors_url())
    assert all("127.0.0.1" in url for url in (*urls, stack.database_url("chat")))


def test_the_way_a_process_ended_is_said_in_words() -> None:
    assert reason(-9) == "signal SIGKILL"
    assert reason(78) == "exit code 78"
