"""``python -m deploy.grafana.build`` writes the dashboards beside this file.

One overview and one a service; rows are latency, traffic, errors, saturation, and what the
product is for. A test holds every metric against those that exist, and the files against this.
"""

import json
from itertools import count
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SERVICES = ("gateway", "chat", "ingest", "webhooks", "ratelimit")
Panel = tuple[str, str, list[tuple[str, str]]]  # title, unit, (query, legend)


def quantiles(
    metric: str, by: str = "", only: str = "", levels: tuple[str, ...] = ("0.5", "0.99")
) -> Any:
    """Latency of a histogram, at a few quantiles."""
    keys = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return [
        (
            f"histogram_quantile({q}, sum by ({keys}) (rate({metric}_bucket{{{only}}}[$__rate_interval])))",
            f"p{float(q) * 100:g}{legend}",
        )
        for q in levels
    ]


def rate(metric: str, by: str = "", only: str = "") -> list[tuple[str, str]]:
    keys = f" by ({by})" if by else ""
    return [
        (
            f"sum{keys} (rate({metric}{{{only}}}[$__rate_interval]))",
            f"{{{{{by}}}}}" if by else "all",
        )
    ]


def value(query: str, legend: str = "") -> list[tuple[str, str]]:
    return [(query, legend)]


def of(service: str) -> str:
    return f'namespace=~"$namespace", pod=~"{service}-.*"'


OVERVIEW: list[tuple[str, list[Panel]]] = [
    (
        "What people notice",
        [
            ("Requests", "reqps", rate("chattery_http_requests_seconds_count", "status")),
            (
                "Time to answer, without streams",
                "s",
                quantiles("chattery_http_requests_seconds", only='route!~".*/chat/.*|.*events"'),
            ),
            ("First words of an answer", "s", quantiles("chattery_chat_first_token_seconds")),
            (
                "Share of requests that failed",
                "percentunit",
                value(
                    'sum(rate(chattery_http_requests_seconds_count{status=~"5.."}[$__rate_interval])) / sum(rate(chattery_http_requests_seconds_count[$__rate_interval]))',
                    "5xx",
                ),
            ),
        ],
    ),
    (
        "What it is for",
        [
            ("Answers by how they ended", "ops", rate("chattery_chat_answers_total", "finish")),
            (
                "Abstentions and escalations",
                "ops",
                rate("chattery_chat_abstentions_total")
                + rate("chattery_chat_escalations_total", "by"),
            ),
            ("Deliveries", "ops", rate("chattery_webhooks_attempts_total", "outcome")),
            ("Items indexed", "ops", rate("chattery_ingest_items_total", "status")),
            ("Tokens", "short", rate("chattery_chat_tokens_total", "kind")),
            (
                "Cost an hour",
                "currencyUSD",
                value("sum(rate(chattery_chat_cost_usd_total[1h])) * 3600", "US dollars"),
            ),
        ],
    ),
    (
        "What waits",
        [
            (
                "Streams open",
                "short",
                value("sum by (kind) (chattery_gateway_streams)", "{{kind}}"),
            ),
            (
                "Answers being written",
                "short",
                value("sum(chattery_chat_answers_running)", "answers"),
            ),
            (
                "Items that wait for a worker",
                "short",
                value("max(chattery_ingest_items_due)", "items"),
            ),
            ("Deliveries due", "short", value("max(chattery_webhooks_due)", "deliveries")),
            ("Oldest delivery due", "s", value("max(chattery_webhooks_oldest_due_seconds)", "age")),
            (
                "Events not yet in the stream",
                "short",
                value("sum by (pod) (chattery_outbox_pending)", "{{pod}}"),
            ),
        ],
    ),
    (
        "The edges",
        [
            (
                "Bus, p99 a caller waited",
                "s",
                quantiles("chattery_bus_request_seconds", levels=("0.99",)),
            ),
            ("Postgres, transactions", "s", quantiles("chattery_db_transaction_seconds")),
            ("Valkey, commands", "s", quantiles("chattery_redis_seconds")),
            ("Vectors, requests", "s", quantiles("chattery_vectors_seconds")),
            ("Model, calls", "s", quantiles("chattery_chat_llm_seconds")),
            ("Embedder, texts", "s", quantiles("chattery_embedder_seconds", "side")),
        ],
    ),
]


def golden(service: str) -> list[tuple[str, list[Panel]]]:
    """The four signals of any service, from what libs/common measures."""
    mine = of(service)
    rows: list[tuple[str, list[Panel]]] = [
        (
            "Bus",
            [
                (
                    "Latency of what it answers",
                    "s",
                    quantiles("chattery_bus_served_seconds", "subject", mine, ("0.99",)),
                ),
                ("Traffic", "reqps", rate("chattery_bus_served_seconds_count", "subject", mine)),
                (
                    "Errors",
                    "reqps",
                    rate("chattery_bus_served_seconds_count", "code", f'{mine}, code!="ok"'),
                ),
                (
                    "Latency of what it asks",
                    "s",
                    quantiles("chattery_bus_request_seconds", "subject", mine, ("0.99",)),
                ),
            ],
        ),
        (
            "Saturation",
            [
                (
                    "Event loop lag",
                    "s",
                    value(f"max by (pod) (chattery_event_loop_lag_seconds{{{mine}}})", "{{pod}}"),
                ),
                (
                    "CPU",
                    "short",
                    value(
                        f"sum by (pod) (rate(process_cpu_seconds_total{{{mine}}}[$__rate_interval]))",
                        "{{pod}}",
                    ),
                ),
                (
                    "Memory",
                    "bytes",
                    value(f"sum by (pod) (process_resident_memory_bytes{{{mine}}})", "{{pod}}"),
                ),
                (
                    "Connected to NATS",
                    "short",
                    value(f"min by (pod) (chattery_bus_connected{{{mine}}})", "{{pod}}"),
                ),
            ],
        ),
    ]
    if service != "ratelimit":
        rows.append(
            (
                "Postgres",
                [
                    ("Latency", "s", quantiles("chattery_db_transaction_seconds", "", mine)),
                    (
                        "Traffic",
                        "ops",
                        rate("chattery_db_transaction_seconds_count", "outcome", mine),
                    ),
                    (
                        "Who waits for a connection",
                        "short",
                        value(f"sum by (pod) (chattery_db_pool_waiting{{{mine}}})", "{{pod}}"),
                    ),
                    (
                        "Outbox",
                        "short",
                        value(f"sum by (pod) (chattery_outbox_pending{{{mine}}})", "{{pod}}"),
                    ),
                ],
            )
        )
    return rows


def edge(title: str, metric: str, service: str, by: str = "outcome") -> tuple[str, list[Panel]]:
    mine = of(service)
    return (
        title,
        [
            ("Latency", "s", quantiles(metric, "", mine)),
            ("Traffic and errors", "ops", rate(f"{metric}_count", by, mine)),
        ],
    )


OWN: dict[str, list[tuple[str, list[Panel]]]] = {
    "gateway": [
        (
            "HTTP",
            [
                (
                    "Latency by route, p99",
                    "s",
                    quantiles("chattery_http_requests_seconds", "route", levels=("0.99",)),
                ),
                (
                    "Traffic by route",
                    "reqps",
                    rate("chattery_http_requests_seconds_count", "route"),
                ),
                (
                    "Errors",
                    "reqps",
                    rate("chattery_http_requests_seconds_count", "status", 'status=~"4..|5.."'),
                ),
                ("Crashes", "ops", rate("chattery_http_crashes_total")),
                ("Streams", "short", value("sum by (kind) (chattery_gateway_streams)", "{{kind}}")),
                (
                    "Refused by a limit",
                    "ops",
                    rate("chattery_gateway_rate_limited_total", "policy"),
                ),
                (
                    "Decided without the limiter",
                    "ops",
                    rate("chattery_gateway_limits_decided_locally_total"),
                ),
                (
                    "Limiter not asked",
                    "short",
                    value("max(chattery_gateway_limiter_breaker_open)", "open"),
                ),
            ],
        ),
        edge("Valkey", "chattery_redis_seconds", "gateway"),
    ],
    "chat": [
        (
            "Answers",
            [
                ("First words", "s", quantiles("chattery_chat_first_token_seconds")),
                ("By how they ended", "ops", rate("chattery_chat_answers_total", "finish")),
                (
                    "Being written",
                    "short",
                    value("sum by (pod) (chattery_chat_answers_running)", "{{pod}}"),
                ),
                ("Taken over from the dead", "ops", rate("chattery_chat_answers_taken_over_total")),
                ("Abstentions", "ops", rate("chattery_chat_abstentions_total")),
                ("Escalations", "ops", rate("chattery_chat_escalations_total", "by")),
                ("Retrieval", "s", quantiles("chattery_chat_retrieval_seconds")),
                (
                    "Retrieval by outcome",
                    "ops",
                    rate("chattery_chat_retrieval_seconds_count", "outcome"),
                ),
            ],
        ),
        edge("Model", "chattery_chat_llm_seconds", "chat"),
        (
            "Tokens and cost",
            [
                ("Tokens", "short", rate("chattery_chat_tokens_total", "kind")),
                (
                    "Cost an hour",
                    "currencyUSD",
                    value("sum(rate(chattery_chat_cost_usd_total[1h])) * 3600", "US dollars"),
                ),
            ],
        ),
        edge("Vectors", "chattery_vectors_seconds", "chat"),
        edge("Embedder", "chattery_embedder_seconds", "chat"),
    ],
    "ingest": [
        (
            "Knowledge",
            [
                ("Items", "ops", rate("chattery_ingest_items_total", "status")),
                ("Pages of crawls", "ops", rate("chattery_ingest_pages_total", "outcome")),
                ("Passages embedded", "ops", rate("chattery_ingest_embedded_total", "from")),
                ("Items that wait", "short", value("max(chattery_ingest_items_due)", "items")),
                ("Wait for a worker", "s", quantiles("chattery_ingest_wait_seconds")),
                (
                    "Repaired by the reconciler",
                    "ops",
                    rate("chattery_ingest_reconciled_total", "kind"),
                ),
                ("Removals", "ops", rate("chattery_ingest_removals_total")),
                ("Consumed from streams", "ops", rate("chattery_bus_consumed_total", "outcome")),
            ],
        ),
        edge("The world's pages", "chattery_fetch_seconds", "ingest"),
        edge("Vectors", "chattery_vectors_seconds", "ingest"),
        edge("Embedder", "chattery_embedder_seconds", "ingest"),
    ],
    "webhooks": [
        (
            "Deliveries",
            [
                ("From event to success", "s", quantiles("chattery_webhooks_latency_seconds")),
                ("Attempts", "ops", rate("chattery_webhooks_attempts_total", "outcome")),
                ("One attempt", "s", quantiles("chattery_webhooks_attempt_seconds")),
                (
                    "In flight",
                    "short",
                    value("sum by (pod) (chattery_webhooks_in_flight)", "{{pod}}"),
                ),
                ("Due", "short", value("max(chattery_webhooks_due)", "deliveries")),
                ("Oldest due", "s", value("max(chattery_webhooks_oldest_due_seconds)", "age")),
                ("Events taken in", "ops", rate("chattery_webhooks_events_total")),
                ("Endpoints disabled", "ops", rate("chattery_webhooks_disabled_total", "reason")),
                (
                    "Who takes events in",
                    "short",
                    value("sum by (pod) (chattery_webhooks_leader)", "{{pod}}"),
                ),
            ],
        ),
    ],
    "ratelimit": [
        (
            "Decisions",
            [
                ("Decisions", "ops", rate("chattery_ratelimit_decisions_total", "outcome")),
                (
                    "Refused by policy",
                    "ops",
                    rate("chattery_ratelimit_decisions_total", "policy", 'policy!=""'),
                ),
            ],
        ),
        edge("Valkey", "chattery_redis_seconds", "ratelimit"),
    ],
}


def dashboard(uid: str, title: str, rows: list[tuple[str, list[Panel]]]) -> dict[str, Any]:
    ids = count(1)
    panels: list[dict[str, Any]] = []
    y = 0
    for name, found in rows:
        panels.append(
            {
                "id": next(ids),
                "type": "row",
                "title": name,
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            }
        )
        y += 1
        for place, panel in enumerate(found):
            at = {"x": place % 4 * 6, "y": y + place // 4 * 8, "w": 6, "h": 8}
            panels.append(_panel(next(ids), panel, at))
        y += (len(found) + 3) // 4 * 8
    return {
        "uid": uid,
        "title": title,
        "tags": ["chattery"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {"type": "dashboards", "tags": ["chattery"], "asDropdown": True, "title": "Chattery"}
        ],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                {
                    "name": "namespace",
                    "type": "query",
                    "datasource": {"type": "prometheus", "uid": "${datasource}"},
                    "query": "label_values(chattery_bus_connected, namespace)",
                    "includeAll": True,
                    "allValue": ".*",
                },
            ]
        },
        "panels": panels,
    }


def _panel(id: int, panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    title, unit, queries = panel
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": id,
        "type": "timeseries",
        "title": title,
        "gridPos": at,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": source,
                "expr": query,
                "legendFormat": legend,
                "exemplar": "_bucket" in query,
            }
            for number, (query, legend) in enumerate(queries)
        ],
    }


def dashboards() -> dict[str, str]:
    made = {"overview": dashboard("chattery-overview", "Chattery / Overview", OVERVIEW)}
    for service in SERVICES:
        rows = [*OWN[service], *golden(service)]
        made[service] = dashboard(f"chattery-{service}", f"Chattery / {service}", rows)
    return {f"{name}.json": json.dumps(found, indent=1) + "\n" for name, found in made.items()}


def main() -> None:
    for name, text in dashboards().items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
