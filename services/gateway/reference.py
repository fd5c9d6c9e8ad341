"""``/docs``: the contract as one page of plain HTML, made from the OpenAPI document."""

import json
from html import escape
from typing import Any

STYLESHEET = "/assets/site/reference-1.css"


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    schemas = document["components"]["schemas"]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((method, path, operation))
    contents = "".join(_contents(tag, rows) for tag, rows in by_tag.items())
    sections = "".join(
        f'<section><h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        + "".join(_operation(*row, schemas) for row in rows)
        + "</section>"
        for tag, rows in by_tag.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Chattery API</title><link rel="stylesheet" href="{STYLESHEET}"></head><body>'
        f'<nav aria-label="Contents"><p><a href="/">Chattery</a></p>{contents}</nav>'
        f"<main><h1>Chattery API</h1>{_INTRODUCTION}{sections}</main></body></html>"
    )


_INTRODUCTION = """
<p>Send your API key as a Bearer token. The contract for programs is
<a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<pre><code>curl -X POST https://your-host/api/chat/bot_abc123 \\
  -H "Authorization: Bearer ck_live_..." \\
  -H "Content-Type: application/json" \\
  -d '{"message": "Hello"}'</code></pre>
<p>A refusal is always <code>{"error": {"code", "message", "details"}}</code>. Every answer
carries <code>x-request-id</code>. Lists take <code>cursor</code> and <code>limit</code> (1 to
100). A <code>POST</code> with an <code>Idempotency-Key</code> has one effect, however often it is
repeated within 24 hours.</p>
"""


def _contents(tag: str, rows: list[tuple[str, str, dict[str, Any]]]) -> str:
    links = "".join(
        f'<li><a href="#{escape(op["operationId"])}">{escape(op["summary"])}</a></li>'
        for _, _, op in rows
    )
    return f'<h2><a href="#{_anchor(tag)}">{escape(tag)}</a></h2><ul>{links}</ul>'


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [
        f'<article id="{escape(operation["operationId"])}">',
        f"<h3>{escape(operation['summary'])}</h3>",
        f'<p class="route"><b>{method.upper()}</b> <code>{escape(path)}</code></p>',
    ]
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    parts.append(f"<p>{_credentials(operation['security'])}</p>")
    if operation["parameters"]:
        rows = [(p["name"], p["in"], p["schema"], p["required"]) for p in operation["parameters"]]
        parts.append("<h4>Parameters</h4>" + _table(rows, schemas))
    if "requestBody" in operation:
        for kind, media in operation["requestBody"]["content"].items():
            parts.append(_body(kind, media, schemas))
    parts.append(_responses(operation["responses"]))
    parts.append("</article>")
    return "".join(parts)


def _credentials(security: list[dict[str, Any]]) -> str:
    names = {
        "apiKey": "API key",
        "visitorToken": "visitor token",
        "session": "session of the dashboard",
        "operatorToken": "operator's token",
    }
    found = [names[name] for one in security for name in one]
    return f"Credentials: {escape(', '.join(found))}." if found else "No credentials needed."


def _body(kind: str, media: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = media["schema"]
    required = schema.get("required", [])
    rows = [
        (name, "body", part, name in required)
        for name, part in schema.get("properties", {}).items()
    ]
    text = f"<h4>Body <small>{escape(kind)}</small></h4>" + _table(rows, schemas)
    if "example" in media:
        example = json.dumps(media["example"], indent=2)
        text += f"<pre><code>{escape(example)}</code></pre>"
    return text


def _table(rows: list[tuple[str, str, Any, bool]], schemas: dict[str, Any]) -> str:
    body = "".join(
        f"<tr><th scope='row'><code>{escape(name)}</code></th><td>{escape(where)}</td>"
        f"<td>{escape(_type(schema, schemas))}</td>"
        f"<td>{'required' if required else 'optional'}</td></tr>"
        for name, where, schema, required in rows
    )
    return f"<table><tbody>{body}</tbody></table>"


def _type(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(part, schemas, depth) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}), schemas, depth + 1)}"
    if kind == "object" and "properties" in schema:
        return "{" + ", ".join(schema["properties"]) + "}"
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("maxLength", "up to"),
            ("maxItems", "up to"),
        )
        if name in schema
    ]
    return " ".join([schema.get("format", kind), *bounds])


def _responses(responses: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(status)}</th><td>{escape(answer['description'])}</td>"
        f"<td>{_answer(answer)}</td></tr>"
        for status, answer in responses.items()
    )
    return f"<h4>Answers</h4><table><tbody>{rows}</tbody></table>"


def _answer(answer: dict[str, Any]) -> str:
    found: list[str] = []
    for kind, media in answer.get("content", {}).items():
        examples = media.get("examples")
        if examples:
            found += [f"<code>{escape(code)}</code>" for code in examples]
        elif "$ref" in media.get("schema", {}):
            found.append(escape(media["schema"]["$ref"].rpartition("/")[2]))
        else:
            found.append(escape(kind))
    return ", ".join(found)


def _anchor(tag: str) -> str:
    return escape(tag.lower())
