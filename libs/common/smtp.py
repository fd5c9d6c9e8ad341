"""One mail over SMTP (RFC 5321)."""

from email.message import EmailMessage
from urllib.parse import SplitResult, unquote

import aiosmtplib


async def send(
    url: SplitResult, *, sender: str, to: str, subject: str, text: str, timeout: float
) -> None:
    """Send it through ``smtp://user:password@host:587`` or ``smtps://``, or raise what
    `aiosmtplib` raises, `OSError` or `TimeoutError`. ``timeout`` is in seconds.
    """
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    await aiosmtplib.send(
        message,
        hostname=url.hostname or "localhost",
        port=url.port or (465 if url.scheme == "smtps" else 587),
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        timeout=timeout,
    )
