"""Receivers that misbehave: bounded, logged, and tried again or refused."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.webhooks.sender import LARGEST_READ, Sender
from services.webhooks.targets import Targets
from tests.integration.webhooks.conftest import Receiver

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[str]]
LOOPBACK = ("127.0.0.1/32",)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a raw TCP server that answers with bytes of the test's choice; its base URL."""
    servers: list[asyncio.Server] = []

    async def start(handle: Raw, tls: ssl.SSLContext | None = None) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await handle(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"http{'s' if tls else ''}://localhost:{port}/hook"

    yield start
    for server in servers:
        server.close()


async def _post(url: str, timeout: float = 20.0, allow: tuple[str, ...] = LOOPBACK):
    async with Sender.open(Targets(allow, http=False), timeout=timeout) as sender:
        return await sender.send(url, {"Content-Type": "application/json"}, b"{}")


async def test_one_byte_a_second_ends_at_the_deadline(serve: Serve) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)

    started = time.monotonic()
    answer = await _post(await serve(drip), timeout=1)

    assert not answer.succeeded
    assert answer.attempt.error == "No complete response in time."
    assert time.monotonic() - started < 30  # all of it would take 40


async def test_a_huge_body_is_not_read(serve: Serve) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n")
        for _ in range(3_200):
            writer.write(b"x" * (64 << 10))
            await writer.drain()
            sent += 64 << 10

    answer = await _post(await serve(flood))

    assert answer.succeeded
    assert "64 kB" in str(answer.attempt.error)
    assert len(answer.attempt.response_body) == 2_000
    assert sent < 200 * LARGEST_READ


async def test_a_gzip_bomb_stays_packed(serve: Serve) -> None:
    bomb = gzip.compress(b"\0" * (32 << 20))

    async def answer_packed(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        writer.write(head.encode() + bomb)
        await writer.drain()

    answer = await _post(await serve(answer_packed))

    assert answer.succeeded
    assert "\0" not in answer.attempt.response_body


async def test_a_reset_is_a_failure(serve: Serve) -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    answer = await _post(await serve(reset))

    assert answer.attempt.status is None
    assert answer.attempt.error


async def test_what_is_not_http_is_a_failure(serve: Serve) -> None:
    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x01\0\xff\xfe nonsense\r\n\r\n")
        await writer.drain()

    answer = await _post(await serve(garbage))

    assert not answer.succeeded
    assert answer.attempt.error


async def test_headers_without_end_are_a_failure(serve: Serve) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            writer.write(f"X-{number}: {'y' * 1000}\r\n".encode())
            await writer.drain()

    answer = await _post(await serve(endless), timeout=3)

    assert not answer.succeeded


@pytest.mark.parametrize(
    ("certificate", "error"),
    [
        ("good", None),
        ("expired", "The certificate is not valid."),
        ("of another host", "The certificate is not valid."),
        ("signed by nobody", "The certificate is not valid."),
    ],
)
async def test_only_a_valid_certificate_is_taken(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: str,
    error: str | None,
) -> None:
    async def fine(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    authority = _Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    signer = _Authority() if certificate == "signed by nobody" else authority
    tls = signer.server(
        tmp_path,
        name="other.example" if certificate == "of another host" else "localhost",
        days=-1 if certificate == "expired" else 1,
    )

    answer = await _post(await serve(fine, tls))

    assert (answer.attempt.status, answer.attempt.error) == (None if error else 200, error)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/hook",
        "http://localhost:{port}/hook",
        "http://[::ffff:127.0.0.1]:{port}/hook",
        "http://0x7f.1:{port}/hook",
        "http://2130706433:{port}/hook",
        "https://127.0.0.1:{port}/hook",
        "http://169.254.169.254/latest/meta-data",
    ],
)
async def test_a_private_address_is_never_connected_to(url: str, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]

    answer = await _post(url.format(port=port), allow=())

    assert answer.attempt.status is None
    assert receiver.requests == []


async def test_a_name_that_turns_private_after_the_check_is_refused_at_the_connect(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = Targets((), http=True)
    port = int(receiver.url.rpartition(":")[2])
    answers = ["93.184.215.14", "127.0.0.1"]
    asked = []

    def flips(host: str, *args: object, **kwargs: object) -> list[object]:
        asked.append(host)
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", flips)
    url = f"http://rebind.example:{port}/hook"
    await targets.check(url)
    async with Sender.open(targets, timeout=20) as sender:
        answer = await sender.send(url, {}, b"{}")

    assert len(asked) >= 2
    assert answer.attempt.error == "The address is private or reserved; nothing was sent."
    assert receiver.requests == []


async def test_the_environment_proxy_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    answer = await _post(receiver.url + "/hook")

    assert answer.succeeded


async def test_odd_bytes_in_a_response_can_be_kept(receiver: Receiver) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=b"\0\xff\xfe ok")

    receiver.answers["/hook"] = odd

    answer = await _post(receiver.url + "/hook")

    assert answer.succeeded
    assert "\0" not in answer.attempt.response_body
    assert answer.attempt.response_body.endswith(" ok")


class _Authority:
    """Signs certificates, for the length of a test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")])
        own = self._certificate(self._name, self._key, days=1)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def server(self, folder: Path, *, name: str, days: int) -> ssl.SSLContext:
        """A server's side of TLS; its certificate ends after ``days``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._certificate(subject, key, days=days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        pem = folder / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
        )
