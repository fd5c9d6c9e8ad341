"""What webhooks counts. No label names a tenant."""

from prometheus_client import Counter, Gauge, Histogram

from libs.common.telemetry import SECONDS

ATTEMPTS = Counter("chattery_webhooks_attempts_total", "Attempts by outcome", ["outcome"])
ATTEMPT_SECONDS = Histogram(
    "chattery_webhooks_attempt_seconds", "One attempt, to its end", buckets=SECONDS
)
LATENCY = Histogram(
    "chattery_webhooks_latency_seconds", "From event to the first success", buckets=SECONDS
)
IN_FLIGHT = Gauge("chattery_webhooks_in_flight", "Deliveries held by this process")
DUE = Gauge("chattery_webhooks_due", "Deliveries that are due now, of all replicas")
OLDEST = Gauge(
    "chattery_webhooks_oldest_due_seconds", "How long the oldest due delivery has waited"
)
EVENTS = Counter("chattery_webhooks_events_total", "Events taken in")
DISABLED = Counter("chattery_webhooks_disabled_total", "Endpoints disabled by us", ["reason"])
LEADER = Gauge("chattery_webhooks_leader", "Whether this process takes events in")
