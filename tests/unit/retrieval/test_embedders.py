"""Texts that are compared with questions: remembered, but never at the cost of an answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from libs.retrieval import embedders


class _Slow:
    """Stands in for an embedder during whose work others use the memory too."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.meanwhile: Any = lambda: None

    async def embed_passages(self, texts: Sequence[str]) -> list[Any]:
        self.asked.append(list(texts))
        self.meanwhile()
        return [np.full(2, len(text), np.float32) for text in texts]


class _Queries:
    def __init__(self, embedder: _Slow) -> None:
        self.embedder = embedder


async def test_a_text_that_is_pushed_out_meanwhile_is_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedders, "REMEMBERED", 2)
    slow = _Slow()
    opened = embedders._Open(_Queries(slow), None)  # type: ignore[arg-type]
    await opened.passages(["a"])
    slow.meanwhile = opened.texts.clear

    found = await opened.passages(["a", "bbb", "a"])

    assert found[:, 0].tolist() == [1, 3, 1]
    assert slow.asked == [["a"], ["bbb"]]
    assert len(opened.texts) == 2
