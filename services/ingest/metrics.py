"""What ingest counts."""

from prometheus_client import Counter, Gauge, Histogram

ITEMS = Counter("chattery_ingest_items_total", "Items worked through", ["type", "status"])
PAGES = Counter("chattery_ingest_pages_total", "Pages of crawls", ["outcome"])
EMBEDDED = Counter("chattery_ingest_embedded_total", "Passages embedded", ["from"])
DUE = Gauge("chattery_ingest_items_due", "Items that wait for a worker")
CLAIM_WAIT = Histogram(
    "chattery_ingest_wait_seconds",
    "Time from when an item was due until a worker had it",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
RECONCILED = Counter(
    "chattery_ingest_reconciled_total",
    "Differences between Postgres and the vector store that were repaired",
    ["kind"],
)
REMOVALS = Counter("chattery_ingest_removals_total", "Removals carried out in the other stores")
