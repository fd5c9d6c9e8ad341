"""A user as the API shows one."""

from typing import Any, Literal

from libs.common.calls import Reply, Timestamp
from libs.common.errors import NotFound
from services.gateway.fields import Role


class User(Reply, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    status: Literal["invited", "active", "disabled"]
    created_at: Timestamp
    last_login_at: Timestamp | None


def user_of(row: dict[str, Any] | None) -> User:
    """Raises `NotFound` where there is none."""
    if row is None:
        raise NotFound
    return User(**fields_of(row))


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "account_id"}
