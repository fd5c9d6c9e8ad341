"""Embedders: text to dense vectors, behind one port, and which one the settings name."""

from libs.retrieval.embed.choice import EmbedderSettings, model_of, open_embedder
from libs.retrieval.embed.port import (
    Embedder,
    EmbeddingFailed,
    Vector,
    clean,
    estimate_tokens,
)
from libs.retrieval.embed.queries import QueryEmbedder

__all__ = [
    "Embedder",
    "EmbedderSettings",
    "EmbeddingFailed",
    "QueryEmbedder",
    "Vector",
    "clean",
    "estimate_tokens",
    "model_of",
    "open_embedder",
]
