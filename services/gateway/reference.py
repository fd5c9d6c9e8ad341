"""``/docs``: the contract as one page to read and to try, made from the OpenAPI document."""

import json
from html import escape
from typing import Any

from services.gateway.reference_fields import Schemas, example, field, fields, resolved

CREDENTIALS = {
    "apiKey": "API key",
    "visitorToken": "visitor token",
    "session": "dashboard session",
    "operatorToken": "operator’s token",
}
TAGS = {
    "Chat": "Ask, and read the answer as it is written. A stream that broke off is taken up again "
    "from the last frame you saw.",
    "Widget": "What the widget on your site calls, from your visitors’ browsers.",
    "Chatbots": "Their personality, looks, opening hours and limits.",
    "Knowledge": "What answers are made from. Work goes on in the background; poll the item.",
    "Conversations": "The inbox: read, reply, tag, assign, resolve, follow live.",
    "Analytics": "What was asked, what was answered, and what was not.",
    "Webhooks": "Signed events to your own endpoints, with their deliveries.",
    "Account": "People, keys, plan, usage and the audit log.",
    "Operator": "For whoever runs this installation.",
    "Site": "The contract itself.",
}


def page(document: dict[str, Any], version: str) -> str:
    """The whole page; ``version`` is that of the site's files."""
    schemas = document["components"]["schemas"]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((method, path, operation))
    contents = "".join(_contents(tag, rows) for tag, rows in by_tag.items())
    sections = "".join(_section(tag, rows, schemas) for tag, rows in by_tag.items())
    at = f"/assets/site/{escape(version)}"
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Chattery API reference</title>
<link rel="icon" type="image/svg+xml" href="{at}/mark.svg">
<link rel="stylesheet" href="{at}/base.css"><link rel="stylesheet" href="{at}/docs.css">
<script type="module" src="{at}/docs.js"></script></head><body>
<a class="skip" href="#main">Skip to content</a>
<header class="bar"><a class="brand" href="/"><img src="{at}/mark.svg" alt="" width="28" height="28">
Chattery <small>API</small></a><nav aria-label="Main"><a href="/openapi.json">OpenAPI</a>
<a class="button small" href="/dashboard">Dashboard</a></nav></header>
<div class="columns"><nav class="contents" aria-label="Contents">
<input type="search" id="filter" placeholder="Find a route" aria-label="Find a route" hidden>
{contents}</nav>
<main id="main">{_INTRODUCTION}{sections}</main></div></body></html>"""


_INTRODUCTION = """
<section class="intro"><div class="about"><h1>API reference</h1>
<p>Send an API key as a Bearer token; make one in the dashboard under Settings. Unknown request
fields are refused; ignore response fields that you don’t know, as more may be added.</p>
<ul class="plain">
<li><b>Errors</b> are <code>{"error": {"code", "message", "details"}}</code>. The code is for
programs, the message says what to do. Every response has <code>x-request-id</code>.</li>
<li><b>Lists</b> take <code>cursor</code> and <code>limit</code> (1 to 100) and answer
<code>{"data", "pagination": {"cursor", "hasMore"}}</code>.</li>
<li><b>Idempotency</b>: a <code>POST</code> with an <code>Idempotency-Key</code> has one effect,
however often it is repeated within 24 hours.</li>
<li><b>Limits</b> answer 429 with <code>Retry-After</code> in seconds.</li>
</ul></div>
<div class="side"><figure class="code"><figcaption>A first question</figcaption><pre tabindex="0"><code>curl -N <span data-origin>https://your-host</span>/api/chat/bot_abc123 \\
  -H "Authorization: Bearer ck_live_..." \\
  -H "Content-Type: application/json" \\
  -d '{"message": "Hello"}'</code></pre></figure>
<form class="key" id="credentials" hidden><label for="key">Your API key, to try things here</label>
<input id="key" type="password" autocomplete="off" spellcheck="false" placeholder="ck_live_…">
<p>Kept in this tab only. Left empty, your dashboard session is used if you are signed in.</p>
</form></div></section>
"""


def _contents(tag: str, rows: list[tuple[str, str, dict[str, Any]]]) -> str:
    links = "".join(
        f'<li><a href="#{escape(op["operationId"])}"><span class="method {method}">'
        f"{_short(method)}</span> <span>{escape(op['summary'])}</span></a></li>"
        for method, _, op in rows
    )
    anchor = escape(tag.lower())
    return f'<h2><a href="#{anchor}">{escape(tag)}</a></h2><ul>{links}</ul>'


def _short(method: str) -> str:
    return {"delete": "DEL"}.get(method, method.upper())


def _section(tag: str, rows: list[tuple[str, str, dict[str, Any]]], schemas: Schemas) -> str:
    operations = "".join(_operation(*row, schemas) for row in rows)
    return (
        f'<section><div class="head"><h2 id="{escape(tag.lower())}">{escape(tag)}</h2>'
        f"<p>{escape(TAGS.get(tag, ''))}</p></div>{operations}</section>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], schemas: Schemas) -> str:
    name = escape(operation["operationId"])
    body = _body(operation, schemas)
    form = escape(json.dumps(_form(method, path, operation, body)))
    about = "".join(
        [
            f'<h3 id="{name}-title">{escape(operation["summary"])}</h3>',
            _route(method, path),
            f"<p>{_needs(operation)}</p>",
            _parameters(operation["parameters"], schemas),
            _fields_of_body(operation, schemas),
            _answer(operation["responses"], schemas),
            _errors(operation["responses"]),
        ]
    )
    side = (
        f'<figure class="code"><figcaption>Request</figcaption><pre tabindex="0"><code>'
        f"{_curl(method, path, operation, body)}</code></pre></figure>"
        f'<details class="try" data-try="{form}" hidden><summary>Try it</summary></details>'
    )
    return (
        f'<article id="{name}" aria-labelledby="{name}-title">'
        f'<div class="about">{about}</div><div class="side">{side}</div></article>'
    )


def _route(method: str, path: str) -> str:
    shown = escape(path).replace("{", "<i>{").replace("}", "}</i>")
    badge = f'<span class="method {method}">{method.upper()}</span>'
    return f'<p class="route">{badge} <code>{shown}</code></p>'


def _needs(operation: dict[str, Any]) -> str:
    names = [CREDENTIALS[name] for one in operation["security"] for name in one]
    scope = operation.get("description", "")
    words = f"Credentials: {escape(', '.join(names))}." if names else "No credentials needed."
    return words + (" " + _marked(scope) if scope else "")


def _marked(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def _parameters(parameters: list[dict[str, Any]], schemas: Schemas) -> str:
    rows = "".join(
        field(p["name"], p["schema"], schemas, required=p["required"], where=p["in"])
        for p in parameters
    )
    return f'<h4>Parameters</h4><ul class="fields">{rows}</ul>' if rows else ""


def _media(operation: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    content = operation.get("requestBody", {}).get("content", {})
    return next(iter(content.items()), None)


def _fields_of_body(operation: dict[str, Any], schemas: Schemas) -> str:
    found = _media(operation)
    if found is None:
        return ""
    kind, media = found
    return f"<h4>Body <small>{escape(kind)}</small></h4>{fields(media['schema'], schemas)}"


def _body(operation: dict[str, Any], schemas: Schemas) -> Any:
    """An example of the body; None where there is none."""
    found = _media(operation)
    if found is None or found[0] != "application/json":
        return None
    return found[1].get("example") or example(found[1]["schema"], schemas)


def _form(method: str, path: str, operation: dict[str, Any], body: Any) -> dict[str, Any]:
    """What the page's script needs to make a form of it."""
    found = _media(operation)
    return {
        "method": method.upper(),
        "path": path,
        "parameters": [
            {name: p[name] for name in ("name", "in", "required")} for p in operation["parameters"]
        ],
        "body": body,
        "multipart": found is not None and found[0] == "multipart/form-data",
    }


def _curl(method: str, path: str, operation: dict[str, Any], body: Any) -> str:
    found = _media(operation)
    verb = "" if method == "get" or (method == "post" and found) else f"-X {method.upper()} "
    lines = [f"curl {verb}<span data-origin>https://your-host</span>{escape(path)}"]
    if operation["security"]:
        lines.append('  -H "Authorization: Bearer ck_live_..."')
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False)
        lines += ['  -H "Content-Type: application/json"', f"  -d '{escape(text, quote=False)}'"]
    elif found is not None:
        lines += ["  -F chatbotId=bot_abc123", "  -F file=@manual.pdf"]
    return " \\\n".join(lines)


def _answer(responses: dict[str, Any], schemas: Schemas) -> str:
    rows: list[str] = []
    for status, answer in responses.items():
        if not status.startswith(("2", "3")):
            continue
        shown = ""
        for kind, media in answer.get("content", {}).items():
            found = fields(resolved(media.get("schema", {}), schemas), schemas)
            shown += f"<p><small>{escape(kind)}</small></p>{found}"
        words = f'<b class="good">{escape(status)}</b> {escape(answer["description"])}'
        rows.append(
            f"<details><summary>{words}</summary>{shown}</details>" if shown else f"<p>{words}</p>"
        )
    return f"<h4>Answer</h4>{''.join(rows)}"


def _errors(responses: dict[str, Any]) -> str:
    rows = "".join(
        f"<li><b>{escape(status)}</b> {escape(answer['description'])} {_codes(answer)}</li>"
        for status, answer in responses.items()
        if status.startswith(("4", "5"))
    )
    return f'<details><summary>Errors</summary><ul class="errors">{rows}</ul></details>'


def _codes(answer: dict[str, Any]) -> str:
    media = answer.get("content", {}).get("application/json", {})
    return " ".join(f"<code>{escape(code)}</code>" for code in media.get("examples", {}))
