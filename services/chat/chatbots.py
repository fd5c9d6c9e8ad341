"""Chatbots: their settings, and changing a part of them (JSON merge patch, RFC 7396)."""

import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from libs.common.calls import Chatbot, CreateChatbot, PublicChatbot, UpdateChatbot
from libs.common.errors import PreconditionFailed
from libs.common.ids import new_id
from services.chat import hours, texts
from services.chat.errors import BadWebsite

_DEFAULTS = msgspec.to_builtins(CreateChatbot(name="-"))
_NESTED = ("personality", "appearance", "widget", "handoff", "limits")


def made(request: CreateChatbot) -> Chatbot:
    """A new chatbot from a request. Raises `BadRequest` for settings that can't work."""
    now = datetime.now(UTC)
    parts = {name: getattr(request, name) for name in _NESTED}
    chatbot = Chatbot(
        id=new_id("bot"),
        name=request.name,
        website=request.website,
        language=request.language,
        status="active",
        retention_days=request.retention_days,
        created_at=now,
        updated_at=now,
        **parts,
    )
    _check(chatbot)
    return chatbot


def patched(chatbot: Chatbot, request: UpdateChatbot) -> Chatbot:
    """The chatbot with the patch applied: absent stays, null goes back to the default.

    Raises `PreconditionFailed` when ``if_match`` is of another version.
    """
    wanted = request.if_match
    if wanted is not msgspec.UNSET and wanted != "*" and chatbot.etag not in _tags(str(wanted)):
        raise PreconditionFailed
    current = msgspec.to_builtins(chatbot)
    changes = msgspec.to_builtins(request)
    for name in ("id", "ifMatch"):
        changes.pop(name, None)
    changed = msgspec.convert(_merge(current, changes, _DEFAULTS), Chatbot)
    _check(changed)
    return changed


def _tags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/").strip('"') for part in header.split(",")}


def _merge(target: dict[str, Any], patch: dict[str, Any], defaults: Any) -> dict[str, Any]:
    merged = dict(target)
    for name, value in patch.items():
        default = defaults.get(name) if isinstance(defaults, dict) else None
        if value is None:
            merged[name] = default
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _merge(merged[name], value, default)
        else:
            merged[name] = value
    return merged


def _check(chatbot: Chatbot) -> None:
    hours.check(chatbot.handoff)
    if chatbot.website is not None:
        try:
            parts = urlsplit(chatbot.website)
        except ValueError as exc:
            raise BadWebsite from exc
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadWebsite


def public(chatbot: Chatbot, language: str | None = None) -> PublicChatbot:
    """What a visitor may know."""
    spoken = language or chatbot.language
    return PublicChatbot(
        id=chatbot.id,
        name=chatbot.name,
        language=chatbot.language,
        greeting=chatbot.personality.greeting or texts.text(texts.GREETING, spoken),
        appearance=chatbot.appearance,
        handoff_enabled=chatbot.handoff.enabled,
        open=hours.are_open(chatbot.handoff, datetime.now(UTC)),
        out_of_hours_message=hours.closed(chatbot.handoff, spoken),
        ai_disclosure=texts.text(texts.DISCLOSURE, spoken),
    )


def new_identity_secret() -> str:
    return f"ids_{secrets.token_urlsafe(32)}"
