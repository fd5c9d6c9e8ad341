"""From HTTP to a request: no input breaks it, and what is wrong is named."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common import calls
from libs.common.errors import AppError
from services.gateway.decode import Shape, json_object
from services.gateway.routes import ROUTES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
CREATE = Shape(calls.CreateChatbot, (), (), body=True)
LIST = Shape(calls.ListConversations, (), (), body=False)


def test_every_row_has_what_its_path_names() -> None:
    for route in ROUTES:
        if route.shape is not None:
            known = route.shape.query | route.shape.body
            assert not known & set(route.parameters)
        names = [r.name for r in ROUTES]
        assert len(names) == len(set(names))


@given(JSON)
@settings(max_examples=150)
def test_any_json_is_taken_or_refused_as_a_bad_request(value: Any) -> None:
    for body in (json.dumps(value), json.dumps({"name": value, "personality": value})):
        try:
            CREATE.build({}, "", body.encode())
        except AppError as exc:
            assert exc.wire_status == 400


@given(st.binary(max_size=200), st.text(max_size=100))
@settings(max_examples=150)
def test_any_bytes_are_taken_or_refused_as_a_bad_request(body: bytes, query: str) -> None:
    for attempt in (lambda: json_object(body), lambda: LIST.build({}, query, b"")):
        try:
            attempt()
        except AppError as exc:
            assert exc.wire_status == 400


def test_a_query_is_read_as_the_type_of_its_field() -> None:
    found = LIST.build({}, "limit=5&status=open&from=2026-01-01T00%3A00%3A00Z&tag=", b"")
    assert (found.limit, found.status, found.from_.year, found.tag) == (5, "open", 2026, None)


def test_a_number_in_a_query_is_no_time() -> None:
    with pytest.raises(AppError) as caught:
        LIST.build({}, "from=0", b"")
    assert caught.value.details["field"] == "from"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid_request", "name"),
        ({"name": ""}, "invalid_request", "name"),
        ({"name": "x", "x": 1}, "unknown_field", "x"),
        ({"name": "x", "widget": {"allowedOrigins": [1]}}, "invalid_request", "widget.allowedOrigins[0]"),
        ({"name": "x", "handoff": {"businessHours": [{"day": 1}]}}, "invalid_request", "handoff.businessHours[0].open"),
        ({"name": "x", "limits": {"daily": 1}}, "unknown_field", "limits.daily"),
    ],
)  # fmt: skip
def test_the_field_at_fault_is_named(body: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(AppError) as caught:
        CREATE.build({}, "", json.dumps(body).encode())
    assert (caught.value.wire_code, caught.value.details["field"]) == (code, field)
