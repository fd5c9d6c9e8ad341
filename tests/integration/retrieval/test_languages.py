"""A cosine says the same in every language, or one floor could not do for all of them."""

import numpy as np

from bench.questions import own
from libs.retrieval.embed.packaged import PackagedEmbedder

TEXTS = 2  # of each language


async def test_unrelated_texts_are_as_far_apart_in_one_language_as_in_another() -> None:
    embedder = PackagedEmbedder()
    medians: dict[str, float] = {}
    for data in own():
        apart = data.documents[:TEXTS], data.questions[-TEXTS:]
        passages = await embedder.embed_passages([document.text for document in apart[0]])
        questions = await embedder.embed_queries([question.question for question in apart[1]])
        medians[data.language] = float(np.median(np.vstack(questions) @ np.vstack(passages).T))
    await embedder.close()

    assert len(medians) == 13
    assert max(medians.values()) - min(medians.values()) < 0.15, medians
