"""Numbers about conversations, and the questions that knowledge did not answer."""

from datetime import datetime
from typing import Any

from libs.common.db import Tx


async def overview(
    tx: Tx, account: str, chatbot: str | None, since: datetime, until: datetime
) -> dict[str, Any]:
    cursor = await tx.execute(
        "with c as (select * from conversations where account_id = %(account)s"
        "  and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        "  and created_at >= %(since)s and created_at < %(until)s),"
        " m as (select * from messages where account_id = %(account)s and not internal"
        "  and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        "  and created_at >= %(since)s and created_at < %(until)s),"
        " a as (select * from answers where account_id = %(account)s"
        "  and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        "  and created_at >= %(since)s and created_at < %(until)s)"
        " select (select count(*) from c) as conversations,"
        " (select count(*) from m) as messages,"
        " (select count(*) from a where status in ('complete', 'no_answer', 'stopped', 'escalated')) as answers,"
        " (select count(*) from unanswered u where u.account_id = %(account)s"
        "  and (%(chatbot)s::text is null or u.chatbot_id = %(chatbot)s)"
        "  and u.created_at >= %(since)s and u.created_at < %(until)s) as abstained,"
        " (select count(*) from c where escalation is null and exists (select 1 from answers d"
        "  where d.conversation_id = c.id and d.status = 'complete') and not exists (select 1 from"
        "  unanswered u where u.conversation_id = c.id)) as settled,"
        " (select count(*) from c where status = 'resolved') as resolved,"
        " (select count(*) from c where escalation is not null) as escalated,"
        " (select count(*) from m where rating = 'up') as up,"
        " (select count(*) from m where rating = 'down') as down,"
        " (select percentile_cont(0.5) within group (order by first_token_ms) from a) as p50,"
        " (select percentile_cont(0.95) within group (order by first_token_ms) from a) as p95,"
        " (select coalesce(sum(input_tokens), 0) from a) as input_tokens,"
        " (select coalesce(sum(output_tokens), 0) from a) as output_tokens,"
        " (select coalesce(sum(cost_usd), 0) from a) as cost_usd,"
        " (select coalesce(jsonb_object_agg(language, n), '{}') from"
        "  (select language, count(*) as n from c group by language) l) as languages",
        {"account": account, "chatbot": chatbot, "since": since, "until": until},
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def days(
    tx: Tx, account: str, chatbot: str | None, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    cursor = await tx.execute(
        "with d as (select generate_series(date_trunc('day', %(since)s::timestamptz at time zone"
        "  'utc'), %(until)s::timestamptz at time zone 'utc', interval '1 day') as day),"
        " c as (select date_trunc('day', created_at at time zone 'utc') as day, count(*) as n,"
        "  count(escalation) as e from conversations where account_id = %(account)s"
        "  and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        "  and created_at >= %(since)s and created_at < %(until)s group by 1),"
        " m as (select date_trunc('day', created_at at time zone 'utc') as day, count(*) as n,"
        "  count(*) filter (where rating = 'up') as up,"
        "  count(*) filter (where rating = 'down') as down from messages"
        "  where account_id = %(account)s and not internal"
        "  and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        "  and created_at >= %(since)s and created_at < %(until)s group by 1)"
        " select to_char(d.day, 'YYYY-MM-DD') as day, coalesce(c.n, 0) as conversations,"
        " coalesce(m.n, 0) as messages, coalesce(c.e, 0) as escalations,"
        " coalesce(m.up, 0) as up, coalesce(m.down, 0) as down"
        " from d left join c on c.day = d.day left join m on m.day = d.day order by d.day limit 400",
        {"account": account, "chatbot": chatbot, "since": since, "until": until},
    )
    return await cursor.fetchall()


async def add_unanswered(
    tx: Tx, account: str, *, id: str, chatbot: str, conversation: str, question: str, language: str
) -> None:
    await tx.execute(
        "insert into unanswered (id, account_id, chatbot_id, conversation_id, question, language)"
        " values (%s, %s, %s, %s, %s, %s)",
        (id, account, chatbot, conversation, question, language),
    )


async def unanswered(
    tx: Tx, account: str, chatbot: str | None, since: datetime, until: datetime, limit: int
) -> list[dict[str, Any]]:
    """The latest questions, each with the reply a person gave afterwards, if one did."""
    cursor = await tx.execute(
        "select u.*, (select m.text from messages m where m.conversation_id = u.conversation_id"
        "  and m.sender = 'admin' and not m.internal and m.created_at > u.created_at"
        "  order by m.id limit 1) as reply from unanswered u where u.account_id = %s"
        " and (%s::text is null or u.chatbot_id = %s) and not u.dismissed"
        " and u.created_at >= %s and u.created_at < %s order by u.created_at desc limit %s",
        (account, chatbot, chatbot, since, until, limit),
    )
    return await cursor.fetchall()


async def question_of(tx: Tx, account: str, id: str) -> dict[str, Any] | None:
    cursor = await tx.execute(
        "select * from unanswered where account_id = %s and id = %s", (account, id)
    )
    return await cursor.fetchone()


async def dismiss(tx: Tx, account: str, ids: list[str]) -> None:
    await tx.execute(
        "update unanswered set dismissed = true where account_id = %s and id = any(%s)",
        (account, ids),
    )
