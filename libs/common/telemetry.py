"""Logs, metrics and traces.

Logs are structlog events: a static name, facts as keywords, ids and not objects. Every line
carries the request id, the account and the trace of the work it belongs to. Metrics are
Prometheus'. Traces follow W3C Trace Context and are exported only where
``OTEL_EXPORTER_OTLP_ENDPOINT`` is set.
"""

import logging
import re
import sys
import time
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter, Gauge, Histogram

from libs.common.config import CommonSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

# Latency buckets in seconds: from a bus round trip to a long answer.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

BUS_SERVED = Histogram(
    "chattery_bus_served_seconds",
    "Time to answer a request on the bus",
    ["subject", "code"],
    buckets=SECONDS,
)
BUS_REQUESTS = Histogram(
    "chattery_bus_request_seconds",
    "Time a caller waited for an answer on the bus",
    ["subject", "code"],
    buckets=SECONDS,
)
BUS_CONSUMED = Counter(
    "chattery_bus_consumed_total", "Messages consumed from streams", ["durable", "outcome"]
)
BUS_CONNECTED = Gauge("chattery_bus_connected", "1 while connected to NATS")
BUS_RECONNECTS = Counter("chattery_bus_reconnects_total", "Times the NATS connection came back")
DB_TRANSACTIONS = Histogram(
    "chattery_db_transaction_seconds", "Length of transactions", ["outcome"], buckets=SECONDS
)
DB_POOL_WAITING = Gauge("chattery_db_pool_waiting", "Transactions that wait for a connection")
REDIS_SECONDS = Histogram(
    "chattery_redis_seconds", "One command to Redis or Valkey", ["outcome"], buckets=SECONDS
)
VECTORS_SECONDS = Histogram(
    "chattery_vectors_seconds", "One request to the vector store", ["outcome"], buckets=SECONDS
)
EMBEDDER_SECONDS = Histogram(
    "chattery_embedder_seconds",
    "Embedding a question, or a batch of passages",
    ["side", "outcome"],
    buckets=SECONDS,
)
FETCH_SECONDS = Histogram(
    "chattery_fetch_seconds", "Fetching a page, redirects included", ["outcome"], buckets=SECONDS
)
OUTBOX_OLDEST = Gauge("chattery_outbox_oldest_seconds", "Age of the oldest event not confirmed")
OUTBOX_PENDING = Gauge("chattery_outbox_pending", "Events not yet confirmed by the stream")
OUTBOX_PUBLISHED = Counter("chattery_outbox_published_total", "Events confirmed by the stream")

_SECRET = re.compile(
    r"(ck_(?:live|test)_[A-Za-z0-9]{6})[A-Za-z0-9]+|(whsec_)[A-Za-z0-9+/=]+|(vt_)[A-Za-z0-9._-]{12,}"
    r"|((?:password|token|secret|api_key)=)[^\s&\"']+|(//[^:/@\s]+:)[^@\s/]+(?=@)"
)


_exporting = False


def redact(text: str) -> str:
    """The text with anything that looks like a credential cut after its prefix."""
    return _SECRET.sub(lambda match: f"{next(g for g in match.groups() if g)}…", text)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def _trace_ids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
    return event


def configure(service: str, settings: CommonSettings) -> None:
    """Set up logging and tracing for this process. Call once, before anything logs."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace_ids,
        structlog.processors.StackInfoRenderer(),
    ]
    plain = structlog.dev.plain_traceback  # no values of variables: some are secrets
    render: list[Any] = [
        structlog.processors.format_exc_info,
        _redact_event,
        structlog.dev.ConsoleRenderer(exception_formatter=plain)
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: the same shape, warnings and up.
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.contextvars.bind_contextvars(service=service)
    if settings.otlp_endpoint:
        _export_traces(service)


def _export_traces(service: str) -> None:
    global _exporting  # noqa: PLW0603  # the provider of traces is the process's, too
    _exporting = True
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": f"chattery-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)


def flush_traces() -> None:
    """Send what has not been sent, in at most a few seconds. Blocks: call it in a thread."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(3000)


class timed:  # noqa: N801  (reads as what it does)
    """Measures a block into a histogram whose last label is the outcome, ``ok`` or ``error``."""

    def __init__(self, histogram: Histogram, *labels: str) -> None:
        self._histogram = histogram
        self._labels = labels
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        outcome = "ok" if exc is None else "error"
        seconds = time.perf_counter() - self._started
        self._histogram.labels(*self._labels, outcome).observe(seconds)


def exemplar() -> dict[str, str] | None:
    """The trace a sample belongs to, for those who ask for OpenMetrics; None outside of any."""
    current = trace.get_current_span()
    if not current.is_recording():
        return None
    return {"trace_id": f"{current.get_span_context().trace_id:032x}"}


def traceparent() -> str:
    """The current span as a W3C ``traceparent``, or an empty string outside of any."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return ""
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


@contextmanager
def span(
    name: str,
    *,
    parent: str = "",
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Generator[trace.Span]:
    """A span around the block; ``parent`` is a ``traceparent`` that came with the work.

    Where nothing is exported and no trace came with the work there is nothing to pass on: the
    block then costs nothing.
    """
    if not _exporting and not parent and not trace.get_current_span().get_span_context().is_valid:
        yield trace.INVALID_SPAN
        return
    tracer = trace.get_tracer("chattery")
    context = propagate.extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(
        name, context=context, kind=kind, attributes=attributes, record_exception=False
    ) as current:
        try:
            yield current
        except Exception as exc:
            current.set_status(Status(StatusCode.ERROR, type(exc).__name__))
            raise


@contextmanager
def child_span(
    name: str, attributes: Mapping[str, str | int | float | bool], kind: SpanKind = SpanKind.CLIENT
) -> Generator[None]:
    """A span where one is recorded already; what runs by itself all the time starts none."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with span(name, kind=kind, attributes=attributes):
        yield
