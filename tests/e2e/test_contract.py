"""The running product against its own contract: whatever `/openapi.json` allows, it can take.

In the suite a few requests of each operation, always the same ones. With CHATTERY_CONTRACT=whole
thousands, new ones each time, with all that a client may be let in by, and no limits that keep
them at the door.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from libs.common.limits import DEFAULTS
from tests.conftest import RunningStack, data_folder
from tests.e2e.client import Api

WHOLE = os.environ.get("CHATTERY_CONTRACT") == "whole"
PATIENCE = 1_800.0 if WHOLE else 240.0  # seconds
PASSWORD = "a long passphrase"
HOW = (
    ("--phases=examples,coverage,fuzzing", "--max-examples=10")
    if WHOLE
    else ("--phases=examples,fuzzing", "--max-examples=2", "--seed=1")
)


@pytest.fixture(scope="module")
def product(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """The stack of all tests, or one whose limits a fuzzer does not reach."""
    if not WHOLE:
        yield request.getfixturevalue("stack")
        return
    folder = data_folder()
    limits = folder / "limits.json"
    generous = {name: {"limit": 1_000_000} for name in DEFAULTS}
    limits.write_text(json.dumps({"policies": generous}))
    running = RunningStack(folder / "data", CHATTERY_RATE_LIMITS=str(limits))
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Credentials(NamedTuple):
    """What lets a client in: under which name the contract has it, and where it does."""

    scheme: str
    kind: str
    secret: str
    where: tuple[str, ...] = ()


async def with_key(api: Api, operator: Api) -> Credentials:
    tenant, _ = await account(api, operator)
    return Credentials("apiKey", "bearer", tenant.token)


async def with_session(api: Api, operator: Api) -> Credentials:
    _, email = await account(api, operator)
    login = {"email": email, "password": PASSWORD}
    reply = await Api(api.session, api.base, "").post("/api/auth/login", login)
    cookie = reply.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    ends = ("post-auth-logout", "delete-auth-sessions-id", "delete-account")  # the run as well
    where = ("--exclude-tag=Operator", *(f"--exclude-operation-id={name}" for name in ends))
    return Credentials("session", "api_key", cookie, where)


async def with_visitor_token(api: Api, operator: Api) -> Credentials:
    tenant, _ = await account(api, operator)
    opened = await tenant.post(f"/api/widget/{await tenant.chatbot()}/session", {})
    theirs = "^/api/(chat/|conversations/.*/(messages|escalate|feedback|typing)$)"
    where = (f"--include-path-regex={theirs}",)
    return Credentials("visitorToken", "bearer", opened.body["token"], where)


async def with_operators_token(_: Api, operator: Api) -> Credentials:
    return Credentials("operatorToken", "bearer", operator.token, ("--include-tag=Operator",))


async def account(api: Api, operator: Api) -> tuple[Api, str]:
    """A client of a new account, and its owner's address."""
    email = f"{secrets.token_hex(4)}@contract.example"
    new = {"name": "Contract", "email": email, "password": PASSWORD}
    made = await operator.post("/api/accounts", new)
    return Api(api.session, api.base, made.body["apiKey"]), email


ALL = (with_key, with_session, with_visitor_token, with_operators_token)


@pytest.mark.parametrize("let_in", ALL if WHOLE else ALL[:1])
async def test_no_request_the_contract_allows_or_forbids_is_answered_otherwise(
    session: object,
    product: RunningStack,
    tmp_path: Path,
    let_in: Callable[[Api, Api], Awaitable[Credentials]],
) -> None:
    """Every check of schemathesis: statuses, types, schemas, headers, auth, bad data refused."""
    api = Api(session, product.base_url, product.api_key)  # type: ignore[arg-type]
    operator = Api(api.session, api.base, product.dev["operatorToken"])
    out, code = await schemathesis(tmp_path, api, await let_in(api, operator))
    assert code == 0, out
    selected = re.search(r"Selected: +(\d+)", out)
    tested = re.search(r"Tested: +(\d+)", out)
    assert selected is not None, out
    assert tested is not None, out
    assert tested.group(1) == selected.group(1), out
    print(out.rpartition("Test cases:")[2])  # with -s: how many


async def schemathesis(folder: Path, api: Api, given: Credentials) -> tuple[str, int | None]:
    config = folder / "schemathesis.toml"
    told = Path(__file__).with_name("schemathesis.toml").read_text()
    config.write_text(f'{told}\n[auth.openapi.{given.scheme}]\n{given.kind} = "{given.secret}"\n')
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={config}",
        "run",
        f"{api.base}/openapi.json",
        f"--header=X-Forwarded-For: {api.address}",
        "--checks=all",
        "--workers=1",  # in threads, Python 3.11 now and then fails to parse its own lambdas
        "--continue-on-failure",
        "--generation-database=none",
        *given.where,
        *HOW,
        cwd=folder,  # it leaves files about failures
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            return (await process.communicate())[0].decode(), process.returncode
    finally:
        if process.returncode is None:
            process.kill()
