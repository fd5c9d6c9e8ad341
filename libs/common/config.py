"""Configuration: one class a service, read from the environment once, passed, never imported."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Cidrs = Annotated[tuple[str, ...], NoDecode]


class CommonSettings(BaseSettings):
    """What every service reads. Fields are named after their variables in lower case.

    Names without the ``CHATTERY_`` prefix are the field's usual ones (``NATS_URL``).
    """

    model_config = SettingsConfigDict(
        env_prefix="CHATTERY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        validation_alias=AliasChoices("NATS_URL"),
        repr=False,  # where there are passwords, it has one
    )
    nats_credentials: Path | None = None  # a .creds file, where the URL carries no user
    health_host: str = "127.0.0.1"
    health_port: int = 0  # /livez, /readyz and /metrics; 0 picks a free port
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_seconds: float = 25.0  # from SIGTERM to the end of what runs
    otlp_endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT")
    )


class DatabaseSettings(CommonSettings):
    """For services with a schema of their own."""

    database_url: SecretStr = Field(
        default=SecretStr("postgresql://127.0.0.1/chattery"),
        validation_alias=AliasChoices("DATABASE_URL"),
    )
    database_admin_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_ADMIN_URL")
    )  # only `migrate` reads it: may create the schema and the role
    db_password: SecretStr | None = None  # what `migrate` gives the service's role
    db_pool: int = 10  # connections a process


def cidrs(text: object) -> tuple[str, ...]:
    """``"10.0.0.0/8, ::1/128"`` as a tuple; for field validators with ``mode="before"``."""
    if isinstance(text, str):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(text, tuple | list):
        return tuple(str(part) for part in text)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise ValueError("expected comma-separated CIDRs")
