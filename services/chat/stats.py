"""Numbers for the dashboard, and the questions that knowledge did not answer, by meaning."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.calls import (
    ChatUsage,
    DayOfChat,
    DismissUnanswered,
    Done,
    ListUnanswered,
    NoParameters,
    Overview,
    Range,
    UnansweredGroup,
    UnansweredGroups,
)
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import BadRequest, NotFound
from libs.retrieval.search import Retriever
from services.chat.grouping import grouped
from services.chat.store import analytics, answers, chatbots, messages

DEFAULT_RANGE = timedelta(days=30)
LONGEST_RANGE = timedelta(days=366)
QUESTIONS = 500  # the latest ones, that are put into groups
SHOWN = 5  # examples and conversations of a group


class NoQuestion(NotFound):
    """There is no unanswered question with this id."""


class Stats:
    def __init__(self, db: Database, retriever: Retriever) -> None:
        self._db = db
        self._retriever = retriever

    async def overview(self, context: Context, request: Range) -> Overview:
        since, until = _range(request)
        account, chatbot = context.account, request.chatbot_id
        async with self._db.transaction(account) as tx:
            row = await analytics.overview(tx, account, chatbot, since, until)
            days = await analytics.days(tx, account, chatbot, since, until)
        talks = row["conversations"]
        return Overview(
            conversations=talks,
            messages=row["messages"],
            answers=row["answers"],
            abstained=row["abstained"],
            resolved=row["resolved"],
            escalated=row["escalated"],
            resolution_rate=round(row["settled"] / talks, 4) if talks else None,
            escalation_rate=round(row["escalated"] / talks, 4) if talks else None,
            up=row["up"],
            down=row["down"],
            first_token_ms_p50=row["p50"],
            first_token_ms_p95=row["p95"],
            input_tokens=int(row["input_tokens"]),
            output_tokens=int(row["output_tokens"]),
            cost_usd=round(row["cost_usd"], 6),
            languages=row["languages"],
            days=[DayOfChat(**day) for day in days],
        )

    async def unanswered(self, context: Context, request: ListUnanswered) -> UnansweredGroups:
        """Largest group first."""
        since, until = _range(request)
        groups = await self._groups(context.account, request.chatbot_id, since, until)
        groups.sort(key=lambda rows: (-len(rows), -rows[0]["created_at"].timestamp()))
        return UnansweredGroups(data=[_group(rows) for rows in groups[: request.limit]])

    async def dismiss(self, context: Context, request: DismissUnanswered) -> Done:
        """The question and those that mean the same."""
        account = context.account
        async with self._db.transaction(account) as tx:
            known = await analytics.question_of(tx, account, request.id)
        if known is None:
            raise NoQuestion
        now = datetime.now(UTC)
        groups = await self._groups(account, known["chatbot_id"], now - LONGEST_RANGE, now)
        same = next((g for g in groups if any(row["id"] == request.id for row in g)), [known])
        async with self._db.transaction(account) as tx:
            await analytics.dismiss(tx, account, [row["id"] for row in same])
        return Done()

    async def _groups(
        self, account: str, chatbot: str | None, since: datetime, until: datetime
    ) -> list[list[dict[str, Any]]]:
        """Of one chatbot and one meaning; the latest question of each first."""
        async with self._db.transaction(account) as tx:
            rows = await analytics.unanswered(tx, account, chatbot, since, until, QUESTIONS)
        by_chatbot: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_chatbot.setdefault(row["chatbot_id"], []).append(row)
        groups: list[list[dict[str, Any]]] = []
        for some in by_chatbot.values():
            texts = [row["question"] for row in some]
            vectors = await self._retriever.vectors(texts)
            groups += [[some[i] for i in same] for same in grouped(texts, vectors)]
        return groups

    async def usage(self, context: Context, _: NoParameters) -> ChatUsage:
        account = context.account
        async with self._db.transaction(account) as tx:
            return ChatUsage(
                chatbots=await chatbots.count(tx, account),
                messages=await messages.this_month(tx, account),
                tokens=await answers.tokens_this_month(tx, account),
            )


def _group(rows: list[dict[str, Any]]) -> UnansweredGroup:
    latest = rows[0]
    return UnansweredGroup(
        id=latest["id"],
        question=latest["question"],
        count=len(rows),
        examples=list(dict.fromkeys(row["question"] for row in rows))[:SHOWN],
        last_asked_at=latest["created_at"],
        conversation_ids=list(dict.fromkeys(row["conversation_id"] for row in rows))[:SHOWN],
        draft=next((row["reply"] for row in rows if row["reply"]), None),
    )


def _range(request: Range) -> tuple[datetime, datetime]:
    until = request.to or datetime.now(UTC)
    try:
        since = request.from_ or until - DEFAULT_RANGE
    except OverflowError as exc:
        raise BadRequest("`to` is too long ago.", details={"field": "to"}) from exc
    if since >= until:
        raise BadRequest("`from` must be before `to`.", details={"field": "from"})
    if until - since > LONGEST_RANGE:
        raise BadRequest("Ask for a year at most.", details={"field": "from"})
    return since, until
