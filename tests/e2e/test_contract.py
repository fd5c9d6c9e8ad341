"""The running product against its own contract: whatever `/openapi.json` allows, it can take."""

import asyncio
import re
import secrets
import sys
from pathlib import Path

from tests.conftest import RunningStack
from tests.e2e.client import Api

BUDGET = 30  # seconds of requests; the machine decides how many those are
PATIENCE = 100.0  # seconds until it must have come to an end
ENOUGH = 25  # operations within the budget on a slow machine; nearly all on an idle one


async def test_no_request_the_contract_allows_or_forbids_is_answered_otherwise(
    api: Api, stack: RunningStack, tmp_path: Path
) -> None:
    """Every check of schemathesis: statuses, types, schemas, headers, auth, bad data refused."""
    operator = Api(api.session, api.base, stack.dev["operatorToken"])
    made = await operator.post(
        "/api/accounts",
        {
            "name": "Contract",
            "email": f"{secrets.token_hex(4)}@contract.example",
            "password": "a long passphrase",
        },
    )
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
        "run",
        f"{api.base}/openapi.json",
        f"--header=Authorization: Bearer {made.body['apiKey']}",
        f"--header=X-Forwarded-For: {api.address}",
        "--checks=all",
        "--phases=examples,coverage,fuzzing",
        "--exclude-path-regex=/events$",  # streams without an end; see integration/gateway
        f"--max-time={BUDGET}",
        "--max-examples=3",
        "--workers=1",  # in threads, Python 3.11 now and then fails to parse its own lambdas
        "--continue-on-failure",
        "--generation-database=none",
        cwd=tmp_path,  # it leaves files about failures
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, out
    tested = re.search(r"Tested: +(\d+)", out)
    assert tested is not None, out
    assert int(tested.group(1)) >= ENOUGH, out
