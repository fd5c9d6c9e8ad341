"""The optional embedder, beside a stand-in for its package, whose weights are a download."""

import sys
from types import ModuleType

import pytest

from libs.retrieval.embed import choice
from libs.retrieval.embed.choice import EmbedderSettings, open_embedder
from libs.retrieval.embed.port import EmbedderMisconfigured


class _TextEmbedding:
    models = (choice.FASTEMBED_DEFAULT, "sentence-transformers/other")
    asked: list[str] = []

    def __init__(self, name: str, threads: int) -> None:
        if name not in self.models:
            raise ValueError(f"Model {name} is not supported in TextEmbedding.")

    def query_embed(self, texts: list[str]) -> list[list[float]]:
        self.asked.extend(texts)
        return [[float(len(text)), 1.0] for text in texts]

    passage_embed = query_embed


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    module = ModuleType("fastembed")
    module.TextEmbedding = _TextEmbedding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastembed", module)
    monkeypatch.setattr(choice, "find_spec", lambda _: object())
    monkeypatch.setattr(_TextEmbedding, "asked", [])
    return _TextEmbedding.asked


def _settings(model: str = "") -> EmbedderSettings:
    return EmbedderSettings(embedder="fastembed", embeddings_model=model)


async def test_the_default_is_told_what_is_a_question_and_what_a_passage() -> None:
    async with open_embedder(_settings()) as embedder:
        _TextEmbedding.asked.clear()
        question = await embedder.embed_queries(["how?"])
        await embedder.embed_passages(["so"])

    assert _TextEmbedding.asked == ["query: how?", "passage: so"]
    assert abs(float((question[0] ** 2).sum()) - 1.0) < 1e-6
    assert embedder.dimensions == 2


async def test_other_models_get_the_texts_as_they_are() -> None:
    async with open_embedder(_settings("sentence-transformers/other")) as embedder:
        _TextEmbedding.asked.clear()
        await embedder.embed_queries(["how?"])

    assert _TextEmbedding.asked == ["how?"]


async def test_a_model_it_does_not_have_is_said() -> None:
    with pytest.raises(EmbedderMisconfigured, match="not supported"):
        async with open_embedder(_settings("nobody/none")):
            pass
