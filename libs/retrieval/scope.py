"""Whose points: the one filter of every read and every removal by owner."""

from qdrant_client import models


def scope(account: str, chatbot: str | None) -> list[models.Condition]:
    """The conditions that keep tenants apart.

    ``chatbot`` is None only where a whole account is meant (its erasure).
    """
    if not account or account == "*" or chatbot == "":
        raise ValueError("knowledge is always that of one account and one chatbot")
    conditions: list[models.Condition] = [match("account", account)]
    if chatbot is not None:
        conditions.append(match("chatbot", chatbot))
    return conditions


def match(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
