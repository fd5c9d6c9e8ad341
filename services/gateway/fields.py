"""Types of fields that several requests have."""

from typing import Annotated, Literal

from msgspec import Meta

# As browsers judge `<input type=email>` (HTML, 4.10.5.1.5): what a mail's header can carry.
_EMAIL = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)

Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=_EMAIL)]
Password = Annotated[str, Meta(min_length=1, max_length=256)]
# Told, not held here: `Passwords` refuses a short one with a code of its own.
NewPassword = Annotated[str, Meta(max_length=256, extra_json_schema={"minLength": 10})]
PersonName = Annotated[str, Meta(max_length=200)]
Role = Literal["owner", "admin", "agent"]
