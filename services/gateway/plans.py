"""Plans: what an account may have. Defaults here, changed by a file (``CHATTERY_PLANS``, JSON)."""

from pathlib import Path

import msgspec

from libs.common.errors import AppError


class BadPlans(AppError):
    """The plans file is not valid."""

    code = "bad_plans"


class Plan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Limits; None is without limit."""

    chatbots: int | None = None
    knowledge_items: int | None = None
    pages: int | None = None  # of all crawls
    messages: int | None = None  # visitors' messages a month
    seats: int | None = None
    api_access: bool = True


DEFAULTS: dict[str, Plan] = {
    "free": Plan(chatbots=1, knowledge_items=20, pages=50, messages=100, seats=1, api_access=False),
    "pro": Plan(
        chatbots=5, knowledge_items=500, pages=1_000, messages=5_000, seats=5, api_access=False
    ),
    "business": Plan(chatbots=20, knowledge_items=5_000, pages=20_000, messages=50_000, seats=25),
    "enterprise": Plan(),
}


class Plans:
    def __init__(self, plans: dict[str, Plan] | None = None) -> None:
        self._plans = plans or DEFAULTS

    @classmethod
    def load(cls, path: Path | None) -> "Plans":
        """The defaults with the file's plans put over them, whole."""
        if path is None:
            return cls()
        try:
            return cls(DEFAULTS | msgspec.json.decode(path.read_bytes(), type=dict[str, Plan]))
        except (OSError, msgspec.MsgspecError) as exc:
            raise BadPlans(f"The plans file is not valid: {exc}") from exc

    @property
    def names(self) -> list[str]:
        return list(self._plans)

    def of(self, name: str) -> Plan:
        return self._plans.get(name, DEFAULTS["free"])
