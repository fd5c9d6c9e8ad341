"""Things of the wire, whole, for tests that need one and mind only some of it."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from libs.common import calls

NOW = datetime(2026, 4, 12, 14, 30, tzinfo=UTC)


def a_chatbot(id: str, **changes: Any) -> calls.Chatbot:
    """A chatbot with every setting at its default but ``changes``."""
    made = calls.Chatbot(
        id=id,
        name="Support Bot",
        website=None,
        language="en",
        status="active",
        personality=calls.Personality(),
        appearance=calls.Appearance(),
        widget=calls.WidgetSettings(),
        handoff=calls.Handoff(),
        limits=calls.ChatbotLimits(),
        retention_days=None,
        created_at=NOW,
        updated_at=NOW,
    )
    return msgspec.structs.replace(made, **changes)
