"""`make run` with a tiny stand-in for each service: as a script, the stack; with a name, one service.

So that the supervisor is tried on real servers and real processes, quickly, whatever the
services can or can't do.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.local import __main__ as local
from deploy.local.programs import Program
from deploy.local.stack import Stack, answers_ok

SERVICES = ("ratelimit", "webhooks", "ingest", "chat", "gateway")


class StandIns(Stack):
    def migrations(self) -> list[tuple[str, list[str], dict[str, str]]]:
        return []

    def services(self) -> list[Program]:
        return [
            Program(
                **{
                    **vars(program),
                    "argv": [sys.executable, __file__, program.name],
                    "ready": self._is_up(program.name),
                }
            )
            for program in super().services()
        ]

    def _is_up(self, name: str):
        port = self.ports["gateway" if name == "gateway" else f"health_{name}"]
        return lambda: answers_ok(f"http://127.0.0.1:{port}/readyz")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"accountId": "acc_1"}')

    def log_message(self, *_: object) -> None: ...


def serve(name: str) -> None:
    """Answer on the port the stack gave; note what the environment said and when we are ended."""
    data = Path(os.environ["CHATTERY_DATA"]).resolve()
    known = {k: v for k, v in os.environ.items() if k.endswith("_URL") or k.startswith("CHATTERY_")}
    (data / f"{name}.env").write_text("\n".join(f"{k}={v}" for k, v in known.items()))
    if os.environ.get("STANDIN_STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    port = int(os.environ["CHATTERY_PORT" if name == "gateway" else "CHATTERY_HEALTH_PORT"])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] in SERVICES:
        serve(sys.argv[1])
    else:
        local.Stack = StandIns
        raise SystemExit(local.main())
