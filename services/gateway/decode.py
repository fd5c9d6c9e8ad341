"""From HTTP to a request struct: strict about names and types, with an error that names the field.

Path and query are text and are read as the field's type; the body is JSON and must have it.
Fields unknown at any depth are refused, except inside free-form objects.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from libs.common.errors import AppError, BadRequest, MalformedJson, NotFound, UnknownField

MAX_DEPTH = 32  # of objects and lists in a body
MAX_INT = 2**63 - 1
_PLACE = re.compile(r" - at `\$(?:\.?([^`]*))`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")

Walk = Callable[[Any, str], None]


class Shape:
    """How to build one request type for one route."""

    def __init__(
        self, request: type[Any], path: tuple[str, ...], hidden: tuple[str, ...], *, body: bool
    ) -> None:
        self.request = request
        self._path = frozenset(path)
        fields = {f.encode_name: f for f in msgspec.structs.fields(request)}
        open_fields = fields.keys() - {fields_name(fields, name) for name in hidden}
        self.query = frozenset() if body else frozenset(open_fields - self._path)
        self.body = frozenset(open_fields - self._path) if body else frozenset[str]()
        self._types: dict[str, Any] = {name: field.type for name, field in fields.items()}
        self._walk = _walker(inspect.type_info(request))
        self._parts = {
            f.encode_name: _walker(f.type) for f in _struct_fields(inspect.type_info(request))
        }

    def build(self, path: Mapping[str, str], query_string: str, body: bytes) -> Any:
        """The struct. Raises `BadRequest` or one of its kinds with ``details.field``."""
        values: dict[str, Any] = {}
        if self.body:
            values.update(self._read_body(body))
        for name, text in _query(query_string):
            if name not in self.query:
                raise UnknownField(
                    f"This route takes no query parameter `{clip(name)}`.",
                    details={"field": clip(name)},
                )
            if name in values:
                raise BadRequest(f"`{name}` is given twice.", details={"field": name})
            if text != "":
                values[name] = self._read_text(name, text)
        for name in self._path:
            if name in self._types:
                values[name] = path[name]
        return convert(values, self.request, self._path)

    def _read_body(self, body: bytes) -> dict[str, Any]:
        found = json_object(body)
        for name, value in found.items():
            if name not in self.body:
                raise UnknownField(
                    f"This route takes no field `{clip(name)}`.", details={"field": clip(name)}
                )
            walk = self._parts[name]
            if walk is not None:
                walk(value, name)
        return found

    def _read_text(self, name: str, text: str) -> Any:
        try:
            value = msgspec.convert(text, self._types[name], strict=False)
            if isinstance(value, datetime):  # the library reads a number as one, too
                value = msgspec.convert(text, self._types[name])
            if value is None:  # the library reads the word null so; here it is a word
                raise msgspec.ValidationError("Expected a value, got `null`")
        except msgspec.ValidationError as exc:
            raise invalid(exc, name) from exc
        if isinstance(value, int) and abs(value) > MAX_INT:
            raise BadRequest(f"`{name}` is too large.", details={"field": name})
        return value


def fields_name(fields: Mapping[str, Any], name: str) -> str:
    """The wire's name of a field named as in Python."""
    return next(wire for wire, field in fields.items() if field.name == name)


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object of harmless values; an empty body is an empty object."""
    if not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body)
    except RecursionError as exc:
        raise MalformedJson("The body is nested too deeply.") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise MalformedJson(f"The body is not valid JSON: {exc}.") from exc
    if not isinstance(found, dict):
        raise BadRequest("The body must be a JSON object.")
    check_values(found)
    return found


def check_values(value: Any, depth: int = 0) -> None:
    """Refuse what JSON can carry and Postgres can't: NUL characters, endless integers, depth."""
    if isinstance(value, str):
        if "\0" in value:
            raise BadRequest("Text must not contain NUL characters.")
    elif isinstance(value, dict):
        if depth >= MAX_DEPTH:
            raise MalformedJson("The body is nested too deeply.")
        for name, part in value.items():
            check_values(name)
            check_values(part, depth + 1)
    elif isinstance(value, list):
        if depth >= MAX_DEPTH:
            raise MalformedJson("The body is nested too deeply.")
        for part in value:
            check_values(part, depth + 1)
    elif isinstance(value, int) and abs(value) > MAX_INT:
        raise BadRequest("A number in the body is too large.")


def convert(values: dict[str, Any], request: type[Any], path: frozenset[str]) -> Any:
    try:
        return msgspec.convert(values, request)
    except msgspec.ValidationError as exc:
        error = invalid(exc)
        if error.details.get("field") in path:
            raise NotFound from exc
        raise error from exc


def invalid(exc: msgspec.ValidationError, field: str = "") -> AppError:
    """The library's message as ours, with the field it is about."""
    text = str(exc)
    place = _PLACE.search(text)
    message = _PLACE.sub("", text)
    parts = [field] if field else []
    if place and place.group(1):
        parts.append(place.group(1).lstrip("."))
    missing = _MISSING.search(message)
    if missing:
        parts.append(missing.group(1))
    name = ".".join(parts)
    if missing:
        message = f"The field `{name}` is required."
    elif name:
        message = f"The field `{name}` is not valid: {message[:1].lower()}{message[1:]}."
    return BadRequest(message, details={"field": name} if name else {})


def clip(text: str, longest: int = 100) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


def printable(text: str) -> str:
    """A header's text without what was not UTF-8 in it, to be kept or passed on."""
    return text.encode("utf-8", "replace").decode()


def _query(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as exc:
        raise BadRequest("The query is not valid.") from exc
    for pair in pairs:
        check_values("".join(pair))
    return pairs


# -- unknown fields at any depth -------------------------------------------------------------


def _struct_fields(info: inspect.Type) -> tuple[inspect.Field, ...]:
    return info.fields if isinstance(info, inspect.StructType) else ()


def _walker(info: inspect.Type) -> Walk | None:
    """A function that raises on an unknown field inside a value of this type; None: can't be."""
    if isinstance(info, inspect.Metadata):
        return _walker(info.type)
    if isinstance(info, inspect.StructType):
        return _struct_walker(info)
    if isinstance(info, inspect.ListType | inspect.VarTupleType | inspect.SetType):
        return _list_walker(_walker(info.item_type))
    if isinstance(info, inspect.DictType):
        return _dict_walker(_walker(info.value_type))
    if isinstance(info, inspect.UnionType):
        return _union_walker([_walker(part) for part in info.types])
    return None


def _struct_walker(info: inspect.StructType) -> Walk:
    parts = {field.encode_name: _walker(field.type) for field in info.fields}

    def walk(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            return
        for name, part in value.items():
            where = f"{place}.{clip(name)}" if place else clip(name)
            if name not in parts:
                raise UnknownField(
                    f"This route takes no field `{where}`.", details={"field": where}
                )
            inner = parts[name]
            if inner is not None:
                inner(part, where)

    return walk


def _list_walker(item: Walk | None) -> Walk | None:
    if item is None:
        return None

    def walk(value: Any, place: str) -> None:
        if isinstance(value, list):
            for number, part in enumerate(value):
                item(part, f"{place}[{number}]")

    return walk


def _dict_walker(item: Walk | None) -> Walk | None:
    if item is None:
        return None

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                item(part, f"{place}.{clip(name)}")

    return walk


def _union_walker(parts: list[Walk | None]) -> Walk | None:
    walks = [part for part in parts if part is not None]
    if not walks:
        return None

    def walk(value: Any, place: str) -> None:
        for part in walks:
            part(value, place)

    return walk
