"""What stands before a real installation: nginx and HAProxy, as Debian packages them."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.programs import Program, stop
from tests.conftest import START_TIMEOUT

# As one who knows nothing of streams would write them: what is not said is the default.
NGINX = """daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {upstream}; }} }} }}
"""
HAPROXY = """defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
listen chattery
  bind 127.0.0.1:{port}
  server gateway {upstream}
"""


def _nginx(folder: Path, port: int, upstream: str) -> list[str]:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
    return [_program("nginx"), "-c", str(config)]


def _haproxy(folder: Path, port: int, upstream: str) -> list[str]:
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, upstream=upstream.removeprefix("http://")))
    return [_program("haproxy"), "-db", "-f", str(config)]


PROXIES = {"nginx": _nginx, "haproxy": _haproxy}


def _program(name: str) -> str:
    there = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"  # not on everybody's path
    program = shutil.which(name, path=there)
    if program is None:
        pytest.fail(f"The tests behind proxies need {name}: run `apt install {name}`.", False)
    return program


@contextmanager
def running(program: Program) -> Iterator[None]:
    process = program.start()
    try:
        _await(lambda: program.ready() or process.poll() is not None)
        assert process.poll() is None, program.last_words(5)
        yield
    finally:
        stop(process, program.stop_signal, 5.0)


def _await(there: Callable[[], bool]) -> None:
    end = time.monotonic() + START_TIMEOUT
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)
