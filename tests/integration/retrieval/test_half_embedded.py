"""While vectors are still to come, a passage is found by its words among those that have them."""

import uuid

import numpy as np

from libs.retrieval import terms
from libs.retrieval.collection import VectorSettings
from libs.retrieval.floor import Nearness
from libs.retrieval.fusion import fuse
from libs.retrieval.passages import StoredPassage
from libs.retrieval.reader import CANDIDATES
from libs.retrieval.terms import passage_terms, query_terms
from libs.retrieval.vectors import NewPoint, VectorStore
from tests.conftest import Servers

DIMENSIONS = 8


def point(ordinal: int, text: str, dense: np.ndarray | None) -> NewPoint:
    passage = StoredPassage(
        account="acc_a",
        chatbot="bot_a",
        item="kn_a",
        generation=1,
        ordinal=ordinal,
        state="live",
        kind="text",
        text=text,
        title="",
    )
    return NewPoint(passage, passage_terms(text, "en"), dense)


async def test_a_passage_without_its_vector_stands_above_worse_ones_that_have_theirs(
    servers: Servers,
) -> None:
    settings = VectorSettings(QDRANT_URL=servers.qdrant_url, collection=f"t{uuid.uuid4().hex[:12]}")
    asked = np.eye(DIMENSIONS, dtype=np.float32)[0]
    await terms.load()
    async with VectorStore.open(settings) as store:
        live = await store.ensure("model", DIMENSIONS)
        others = [
            point(n, f"The lamp of room {n} is green.", asked) for n in range(CANDIDATES + 10)
        ]
        right = point(999, "The code of the safe in room 3 is K37.", None)
        await store.write(live, [*others, right])

        [found] = await store.search(
            live, "acc_a", "bot_a", [(asked, query_terms("code of the safe", "en"))]
        )

    assert len(found.dense) == CANDIDATES  # so that what lacks a vector can't be told from it
    assert found.unembedded == {right.id}
    ranked = fuse(found.dense, found.sparse, Nearness(0.0, 0.1, 0.2), unembedded=found.unembedded)
    assert str(ranked[0][1].id) == right.id
