"""What is asked for at every question goes by keys, from the first day of a database on.

Postgres keeps the plan of a prepared statement. One made while the tables are empty must do for
when they no longer are, so these are looked at as such: generic, and on empty tables.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import psycopg
import pytest

from libs.common.db import Database, Tx
from services.chat.store import answers, conversations, messages
from tests.conftest import TestDatabase

KEYS = re.compile(r"\b(id|conversation_id|client_message_id) = ")
TABLES = ("answers", "conversations", "messages")


class Recorder:
    """In place of a transaction: notes the statements and finds nothing."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def execute(self, statement: str, _: object) -> "Recorder":
        self.statements.append(statement)
        return self

    async def fetchall(self) -> list[Any]:
        return []


async def _statements() -> list[str]:
    recorder = Recorder()
    tx = cast(Tx, recorder)
    await conversations.hold_for(tx, "acc", {"ans": "conv"}, "job")
    await messages.asked_before(tx, "acc", "bot", ["one"])
    await messages.latest(tx, "acc", ["conv"], 20)
    await messages.add(tx, "acc")
    await answers.insert(tx, "acc", "bot", [])
    await answers.finish(tx, "acc", [])
    await answers.show(tx, "job", {})
    return recorder.statements


def _numbered(statement: str) -> str:
    """With the server's placeholders in place of the driver's."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1] or f"the {len(names)}th"
        return f"${names.setdefault(name, len(names) + 1)}"

    return re.sub(r"%(?:\((\w+)\))?s", number, statement)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


@pytest.fixture
def place(database: Callable[[str], TestDatabase]) -> TestDatabase:
    return database("chat")


async def test_statements_of_every_question_go_by_keys(place: TestDatabase) -> None:
    statements = await _statements()
    assert len(statements) == 7
    async with (
        Database.open(place.url, schema="chat", service="test", size=1) as db,
        db.transaction("acc") as tx,  # parameters without values are for the simple protocol
    ):
        await tx.execute("set local enable_seqscan = off")  # as where they are run
        for statement in statements:
            cursor = await tx.execute(
                psycopg.sql.SQL("explain (generic_plan, format json) " + _numbered(statement)),  # pyright: ignore[reportArgumentType]
                prepare=False,
            )
            row = await cursor.fetchone()
            assert row is not None
            for node in _nodes(row["QUERY PLAN"][0]["Plan"]):
                index = node.get("Index Name", "")
                assert node["Node Type"] != "Seq Scan", statement
                if index.startswith(TABLES):
                    assert KEYS.search(node.get("Index Cond", "")), (statement, node)
