"""A plan that Postgres made while tables were small reads little of large ones."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from libs.common.db import Database, Tx
from services.chat.store import answers, conversations
from tests.conftest import TestDatabase

ACCOUNT, BOT, OWNER = "acc_1", "bot_1", "job_1"
FEW, MANY = 40, 800
PLANNED = 12  # executions; after five of its own, and five of the client's, a plan is kept


async def test_an_answer_ends_without_a_look_at_the_chatbots_other_conversations(
    database: Callable[[str], TestDatabase],
) -> None:
    urls = database("chat")
    async with Database.open(urls.url, schema="chat", service="chat", size=1) as db:
        async with db.transaction(ACCOUNT) as tx:
            await tx.execute(
                "insert into chatbots (id, account_id, name, language, settings, identity_secret)"
                " values (%s, %s, 'Bot', 'en', '{}', '')",
                (BOT, ACCOUNT),
            )
            await _answered(tx, "held", finished=False)
            for number in range(FEW):
                await _answered(tx, f"before_{number}", finished=True)
        async with await psycopg.AsyncConnection.connect(urls.admin_url, autocommit=True) as admin:
            await admin.execute("analyze")
        for _ in range(PLANNED):
            assert await _held(db)
        async with db.transaction(ACCOUNT) as tx:
            for number in range(MANY):
                await _answered(tx, str(number), finished=True)

        async with db.transaction(ACCOUNT) as tx:
            before = await _read(tx)
            assert await conversations.hold_for(tx, ACCOUNT, "ans_held", OWNER)
            assert await _read(tx) - before < MANY / 10


async def _answered(tx: Tx, name: str, *, finished: bool) -> None:
    await conversations.insert(
        tx, ACCOUNT, id=f"conv_{name}", chatbot=BOT, visitor="vis_1", language="en"
    )
    await answers.insert(
        tx,
        ACCOUNT,
        id=f"ans_{name}",
        chatbot=BOT,
        conversation=f"conv_{name}",
        question=f"msg_{name}",
        message=f"msg_{name}_2",
        language="en",
        owner=OWNER,
    )
    if finished:
        now = datetime.now(UTC)
        await tx.execute("update answers set finished_at = %s where id = %s", (now, f"ans_{name}"))


async def _held(db: Database) -> bool:
    async with db.transaction(ACCOUNT) as tx:
        return await conversations.hold_for(tx, ACCOUNT, "ans_held", OWNER) is not None


async def _read(tx: Tx) -> int:
    """Rows this transaction has read so far."""
    cursor = await tx.execute(
        "select sum(seq_tup_read + idx_tup_fetch)::int as n from pg_stat_xact_user_tables"
        " where relname in ('answers', 'conversations')"
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["n"]
