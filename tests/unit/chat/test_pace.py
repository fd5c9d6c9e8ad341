"""How long an answer rests between two frames."""

from services.chat.answerers.extractive import deltas
from services.chat.answerers.port import FEW, Delta
from services.chat.answering import ASKED_PACE, LONGEST_PACE, SHORTEST_PACE, pace


def test_the_more_answers_there_are_the_longer_each_rests() -> None:
    paces = [pace(running, slow=True, asked=False) for running in (1, 10, 50, 100, 1_000)]

    assert paces == sorted(paces)
    assert paces[0] == SHORTEST_PACE
    assert paces[-1] == LONGEST_PACE


def test_while_somebody_asks_a_slow_model_rests_longer_and_a_fast_one_does_not() -> None:
    assert pace(10, slow=True, asked=True) == ASKED_PACE
    assert pace(10, slow=False, asked=True) == pace(10, slow=False, asked=False)
    assert pace(1_000, slow=True, asked=True) == LONGEST_PACE


def test_few_words_are_slow_unless_the_rest_is_there() -> None:
    assert Delta("One ").slow
    assert not Delta("x" * FEW).slow
    assert not any(delta.slow for delta in deltas("返品は三十日以内にお願いします。" * 5))
