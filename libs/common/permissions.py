"""Who may say and hear what on the bus: one NATS user a service, its own subjects alone.

The embedded stack and the manifests for Kubernetes are made from this table.
"""

from typing import Final, TypedDict


class Permissions(TypedDict):
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _serves(service: str, *prefixes: str) -> tuple[str, ...]:
    """To be a NATS micro service, and hear requests and one's own replies."""
    name = f"chattery-{service}"
    control = tuple(
        subject
        for verb in ("PING", "INFO", "STATS")
        for subject in (f"$SRV.{verb}", f"$SRV.{verb}.{name}", f"$SRV.{verb}.{name}.>")
    )
    return (f"_INBOX.{service}.>", *control, *prefixes)


def _stream(name: str) -> tuple[str, ...]:
    """To make a stream or bring it up to date."""
    return tuple(f"$JS.API.STREAM.{verb}.{name}" for verb in ("CREATE", "UPDATE", "INFO"))


def _consumes(stream: str) -> tuple[str, ...]:
    return (
        *_stream(stream),
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.>",
        f"$JS.ACK.{stream}.>",
        *_stream("DEAD"),
        "dead.>",
    )


NATS_PERMISSIONS: Final[dict[str, Permissions]] = {
    "gateway": {
        "publish": (
            "chat.>",
            "knowledge.>",
            "webhooks.>",
            "ratelimit.>",
            "gateway.>",
            "events.>",
            "$SRV.PING.>",
            *_stream("EVENTS"),
            *_stream("ANSWERS"),
            "$JS.API.DIRECT.GET.ANSWERS",
            "$JS.API.DIRECT.GET.ANSWERS.>",
        ),
        "subscribe": _serves("gateway", "gateway.>", "answers.>", "live.>"),
    },
    "chat": {
        "publish": (
            "knowledge.>",
            "webhooks.>",
            "gateway.>",
            "chat.>",
            "answers.>",
            "live.>",
            "events.>",
            *_stream("EVENTS"),
            "$JS.API.STREAM.PURGE.EVENTS",  # what is deleted is not kept there either ...
            "$JS.API.STREAM.PURGE.DEAD",  # ... nor there
            *_stream("ANSWERS"),
            "$JS.API.DIRECT.GET.ANSWERS",
            "$JS.API.DIRECT.GET.ANSWERS.>",
        ),
        "subscribe": _serves("chat", "chat.>"),
    },
    "ingest": {
        "publish": (
            "chat.chatbots.get",
            "webhooks.events.seen",
            "knowledge.>",
            "ingest.>",
            "live.>",
            "events.>",
            *_consumes("INGEST"),
            *_consumes("EVENTS"),
        ),
        "subscribe": _serves("ingest", "knowledge.>", "ingest.>"),
    },
    "webhooks": {
        "publish": (
            "chat.chatbots.get",
            "gateway.>",
            "webhooks.>",
            *_consumes("EVENTS"),
            "$JS.API.DIRECT.GET.EVENTS",
        ),
        # Events as they pass are only a hint that the stream has something new.
        "subscribe": _serves("webhooks", "webhooks.>", "events.>"),
    },
    "ratelimit": {
        "publish": ("ratelimit.>",),
        "subscribe": _serves("ratelimit", "ratelimit.>"),
    },
}
