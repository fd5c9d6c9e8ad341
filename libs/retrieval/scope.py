"""Whose points: the one filter of every read and every removal by owner."""

from typing import Any

Condition = dict[str, Any]  # as Qdrant's REST API takes it, and its client


def scope(account: str, chatbot: str | None) -> list[Condition]:
    """The conditions that keep tenants apart.

    ``chatbot`` is None only where a whole account is meant (its erasure).
    """
    if not account or account == "*" or chatbot == "":
        raise ValueError("knowledge is always that of one account and one chatbot")
    conditions = [match("account", account)]
    if chatbot is not None:
        conditions.append(match("chatbot", chatbot))
    return conditions


def match(key: str, value: str | int) -> Condition:
    return {"key": key, "match": {"value": value}}
