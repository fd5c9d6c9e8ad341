"""The supervisor on real servers and stand-in services: what dies comes back, what stops is gone."""

import json
import os
import signal
import stat
from collections.abc import Callable

import psycopg
import pytest

from deploy.local.servers import SERVERS, port_is_free
from tests.integration.local.conftest import Local, alive, until
from tests.integration.local.standin import SERVICES

STOP_LIMIT = 30.0  # seconds; on an idle machine it takes two
Make = Callable[..., Local]


def answers(local: Local) -> bool:
    try:
        with psycopg.connect(local.postgres_url(), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def remember(local: Local, what: str) -> None:
    with psycopg.connect(local.postgres_url(), autocommit=True) as connection:
        connection.execute("create table if not exists notes (text text)")
        connection.execute("insert into notes values (%s)", (what,))


def remembered(local: Local) -> list[str]:
    until(lambda: answers(local), "an answer of Postgres")
    with psycopg.connect(local.postgres_url()) as connection:
        return [row[0] for row in connection.execute("select text from notes").fetchall()]


async def test_what_is_killed_comes_back_and_says_why(standing: Local) -> None:
    remember(standing, "before")
    ports = standing.ports()

    for name in (*SERVERS, *SERVICES):
        killed = standing.pids[name]
        assert alive(standing.kill(name))
        assert not alive(killed)
        assert f"{name} ended with signal SIGKILL" in standing.said()

    assert "before" in remembered(standing)
    assert standing.ports() == ports
    assert standing.dev["accountId"] == "acc_1"


async def test_all_services_killed_at_once_come_back(standing: Local) -> None:
    before = standing.pids
    for name in SERVICES:
        os.kill(before[name], signal.SIGKILL)

    until(
        lambda: all(standing.pids[n] != before[n] and alive(standing.pids[n]) for n in SERVICES),
        "the restart of all",
    )


async def test_a_service_that_keeps_dying_is_never_given_up(standing: Local) -> None:
    for _ in range(4):
        standing.kill("chat")
    assert alive(standing.pids["chat"])


async def test_a_stop_is_quick_and_leaves_nothing(make: Make) -> None:
    is_gone_after(make().start(), signal.SIGINT)


def is_gone_after(local: Local, number: signal.Signals) -> None:
    pids = local.pids

    assert local.stop(number) < STOP_LIMIT

    assert local.running.returncode == 0
    assert [name for name, pid in pids.items() if alive(pid)] == []
    assert local.leftovers() == []
    assert not (local.data / "dev.json").exists()


async def test_services_that_will_not_stop_are_made_to(make: Make) -> None:
    local = make(STANDIN_STUBBORN="1").start()
    assert local.stop() < STOP_LIMIT
    assert local.leftovers() == []


async def test_a_stop_in_the_middle_of_the_start_leaves_nothing(make: Make) -> None:
    local = make().launch()
    until((local.data / "secrets.json").exists, "the beginning of the start")
    assert local.stop() < STOP_LIMIT
    assert local.leftovers() == []


async def test_a_second_start_finds_keys_and_data_again_in_a_path_with_a_space(make: Make) -> None:
    local = make("my data").start()
    first = local.dev
    remember(local, "kept")
    is_gone_after(local, signal.SIGTERM)

    local.start()

    assert remembered(local) == ["kept"]
    assert {k: local.dev[k] for k in ("apiKey", "email", "password", "operatorToken")} == {
        k: first[k] for k in ("apiKey", "email", "password", "operatorToken")
    }


async def test_a_killed_supervisor_takes_all_along_and_the_next_start_works(make: Make) -> None:
    local = make().start()
    remember(local, "kept")
    pids = local.pids
    local.running.kill()
    local.running.wait()

    until(lambda: not any(alive(pid) for pid in pids.values()), "the end of the children")

    local.start()
    assert remembered(local) == ["kept"]


async def test_dev_json_tells_all_and_only_to_its_owner(standing: Local) -> None:
    path = standing.data / "dev.json"

    assert set(standing.dev) >= {
        *("baseUrl", "apiKey", "email", "password", "accountId", "operatorToken", "pids"),
    }
    assert set(standing.pids) == {"supervisor", *SERVERS, *SERVICES}
    assert standing.pids["supervisor"] == standing.running.pid
    for private in (path, standing.data / "secrets.json"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    until(lambda: standing.dev["apiKey"] in standing.said(), "the panel")
    assert standing.dev["baseUrl"] in standing.said()


async def test_two_stacks_run_side_by_side(make: Make, standing: Local) -> None:
    local = make().start()
    remember(local, "of one")
    remember(standing, "of the other")

    assert remembered(local) == ["of one"]
    assert set(local.ports().values()) & set(standing.ports().values()) == set()
    assert local.dev["apiKey"] != standing.dev["apiKey"]
    local.stop()
    assert remembered(standing)[-1] == "of the other"


async def test_the_same_data_twice_is_refused(standing: Local) -> None:
    second = Local(standing.data).launch()

    code, said = second.ended()

    assert code != 0
    assert "running already" in said
    assert "CHATTERY_DATA" in said
    assert standing.dev["pids"]["supervisor"] == standing.running.pid


async def test_a_taken_port_is_refused_with_a_way_out(make: Make, standing: Local) -> None:
    taken = standing.dev["baseUrl"].rpartition(":")[2]
    until(lambda: not port_is_free(int(taken)), "a gateway")

    code, said = make(CHATTERY_PORT=taken).launch().ended()

    assert code != 0
    assert f"Port {taken} is taken" in said
    assert "CHATTERY_PORT=0" in said


@pytest.mark.parametrize("port", ["eighty", "70000", "-1"])
async def test_a_port_that_is_none_is_refused(make: Make, port: str) -> None:
    code, said = make(CHATTERY_PORT=port).launch().ended()
    assert code != 0
    assert "CHATTERY_PORT must be a port number" in said


OWN = {
    "nats": ("NATS_URL", SERVICES),
    "redis": ("REDIS_URL", ("gateway", "ratelimit", "chat")),
    "vectors": ("QDRANT_URL", ("chat", "ingest")),
    "postgres": ("DATABASE_URL", ("gateway", "chat", "ingest", "webhooks")),
}


@pytest.mark.parametrize("own", [("nats", "vectors"), ("redis", "postgres")])
async def test_servers_of_ones_own_take_the_place_of_ours(
    make: Make, servers, own: tuple[str, ...]
) -> None:
    urls = {
        "nats": servers.nats_url,
        "redis": servers.redis_url,
        "vectors": servers.qdrant_url,
        "postgres": servers.admin_url,
    }

    local = make(**{OWN[server][0]: urls[server] for server in own}).start()

    assert set(local.pids) == {"supervisor", *SERVERS, *SERVICES} - set(own)
    for server in own:
        variable, services = OWN[server]
        for service in services:
            seen = local.environment_of(service)[variable]
            if server == "postgres":
                assert seen.startswith(f"postgresql://{service}:")
                assert seen.rpartition("@")[2] == urls[server].rpartition("@")[2]
            else:
                assert seen == urls[server]


async def test_loopback_is_allowed_by_default_and_said(standing: Local) -> None:
    assert standing.environment_of("ingest")["CHATTERY_FETCH_ALLOW"] == "127.0.0.1/32"
    assert standing.environment_of("webhooks")["CHATTERY_WEBHOOK_ALLOW"] == "127.0.0.1/32"
    until(lambda: "CHATTERY_FETCH_ALLOW" in standing.said(), "the panel")


async def test_each_service_logs_to_a_file_of_its_own(standing: Local) -> None:
    names = {path.name for path in (standing.data / "logs").iterdir()}
    assert names == {f"{name}.log" for name in (*SERVERS, *SERVICES)}
    assert json.loads((standing.data / "ports.json").read_text())["gateway"]
