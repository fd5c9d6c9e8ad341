"""How the reference shows a JSON schema: a list of fields, a few words of type, an example."""

from html import escape
from typing import Any

DEEPEST = 3  # levels of fields within fields
SAMPLES: dict[str, Any] = {
    "chatbotId": "bot_abc123",
    "conversationId": "conv_abc123",
    "visitorId": "vis_abc123",
    "email": "owner@example.com",
    "url": "https://example.com/",
    "text": "A note",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-02-01T00:00:00Z",
}

Schema = dict[str, Any]
Schemas = dict[str, Schema]


def fields(schema: Schema, schemas: Schemas, depth: int = 0) -> str:
    """Name, type and fields within, as nested lists."""
    schema = resolved(schema, schemas)
    required = schema.get("required", [])
    rows = "".join(
        field(name, part, schemas, required=name in required, depth=depth)
        for name, part in schema.get("properties", {}).items()
    )
    return f'<ul class="fields">{rows}</ul>' if rows else ""


def field(
    name: str, schema: Schema, schemas: Schemas, *, required: bool, depth: int = 0, where: str = ""
) -> str:
    words = escape(kind(schema, schemas))
    place = f' <span class="where">{escape(where)}</span>' if where else ""
    need = ' <span class="need">required</span>' if required else ""
    about = schema.get("description", "")
    told = f"<p>{escape(about)}</p>" if about else ""
    within = ""
    inner = _inner(schema, schemas)
    if inner is not None and depth < DEEPEST:
        found = fields(inner, schemas, depth + 1)
        within = f"<details><summary>Fields</summary>{found}</details>" if found else ""
    return (
        f'<li><code class="name">{escape(name)}</code> <span class="type">{words}</span>'
        f"{place}{need}{told}{within}</li>"
    )


def resolved(schema: Schema, schemas: Schemas) -> Schema:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _inner(schema: Schema, schemas: Schemas) -> Schema | None:
    """The object that a field holds, alone or in a list, if it has named fields."""
    for part in schema.get("anyOf", [schema]):
        found = resolved(part, schemas)
        if found.get("type") == "array":
            found = resolved(found.get("items", {}), schemas)
        if found.get("properties"):
            return found
    return None


def kind(schema: Schema, schemas: Schemas) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return kind(resolved(schema, schemas), schemas)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(part, schemas) for part in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    name = str(schema.get("type", "any"))
    if name == "array":
        return f"list of {kind(schema.get('items', {}), schemas)}"
    return " ".join([schema.get("format", name), *_bounds(schema)])


def _bounds(schema: Schema) -> list[str]:
    if "minLength" in schema or "maxLength" in schema:
        return [_span(schema.get("minLength", 0), schema.get("maxLength"), " characters")]
    if "minimum" in schema or "maximum" in schema:
        return [_span(schema.get("minimum"), schema.get("maximum"), "")]
    return []


def _span(low: Any, high: Any, unit: str) -> str:
    if high is None:
        return f"(at least {low}{unit})" if low else ""
    return f"({low}–{high}{unit})" if low else f"(up to {high}{unit})"


def example(schema: Schema, schemas: Schemas) -> Any:
    """A value of this schema's shape: what is required, else the first few fields."""
    schema = resolved(schema, schemas)
    properties = schema.get("properties", {})
    wanted = schema.get("required") or list(properties)[:2]
    return {name: _sample(name, properties[name], schemas) for name in wanted}


def _sample(name: str, schema: Schema, schemas: Schemas) -> Any:
    schema = resolved(schema.get("anyOf", [schema])[0], schemas)
    if name in SAMPLES:
        return SAMPLES[name]
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    match schema.get("type"):
        case "array":
            return [_sample("", schema.get("items", {}), schemas)]
        case "object":
            return example(schema, schemas)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "…"
