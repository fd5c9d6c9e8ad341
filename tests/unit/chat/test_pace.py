"""How long an answer rests between two frames."""

from services.chat.answering import ASKED_PACE, LONGEST_PACE, SHORTEST_PACE, SLOW, pace


def test_the_more_answers_there_are_the_longer_each_rests() -> None:
    paces = [pace(running, 1, asked=False) for running in (1, 10, 50, 100, 1_000)]

    assert paces == sorted(paces)
    assert paces[0] == SHORTEST_PACE
    assert paces[-1] == LONGEST_PACE


def test_while_somebody_asks_a_slow_model_rests_longer_and_a_fast_one_does_not() -> None:
    assert pace(10, SLOW - 1, asked=True) == ASKED_PACE
    assert pace(10, SLOW, asked=True) == pace(10, SLOW, asked=False)
    assert pace(1_000, 1, asked=True) == LONGEST_PACE
