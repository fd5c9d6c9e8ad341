"""The gateway's configuration. Variables are the fields' names in capitals after ``CHATTERY_``."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator

from libs.common.config import Cidrs, DatabaseSettings, cidrs
from services.gateway.limits import BUDGET


class Settings(DatabaseSettings):
    host: str = "127.0.0.1"
    port: int = 8080  # 0 picks a free one
    reuse_port: bool = False  # two processes on one port, for rolling restarts
    public_url: str = ""  # as browsers see it, for links in mails; https makes cookies Secure
    secret: SecretStr = SecretStr("")  # 1:<hex>; see secrets.py
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), validation_alias=AliasChoices("REDIS_URL")
    )
    blobs: str = "file:///var/lib/chattery/blobs"
    rate_limits: Path | None = None
    plans: Path | None = None
    default_plan: str = "enterprise"  # of the first account
    trusted_proxies: Cidrs = ()
    operator_token: SecretStr | None = None
    admin_email: str | None = None
    admin_password: SecretStr | None = None
    bootstrap_api_key: SecretStr | None = None
    smtp_url: SecretStr | None = None  # smtp://user:password@host:587, smtps://… for TLS at once
    mail_from: str = "Chattery <chattery@localhost>"
    home_chatbot_file: Path | None = None  # holds the id of the chatbot that `/` lets people try
    upload_mb: Annotated[int, Field(ge=1, le=100)] = 25  # a file
    upload_files: Annotated[int, Field(ge=1, le=100)] = 20  # a request
    limiter_budget: float = BUDGET  # seconds to wait for a decision before deciding here
    max_streams: int = 10_000
    max_streams_per_ip: int = 500
    max_connections: int = 20_000
    audit_days: int = 365

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _cidrs(cls, value: object) -> tuple[str, ...]:
        return cidrs(value)

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")
