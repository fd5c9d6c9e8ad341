"""Neighbours of one section are one passage; what only resembles it stays apart."""

from libs.retrieval.merge import merge
from libs.retrieval.reader import Hit

SECTION = ["Delivery"]


def hit(
    ordinal: int, *, item: str = "kn_a", headings: list[str] = SECTION, kind: str = "text"
) -> Hit:
    payload = {
        "account": "acc_a", "chatbot": "bot_a", "item": item, "generation": 1, "ordinal": ordinal,
        "state": "live", "kind": kind, "text": f"Part {ordinal}.", "title": "Help",
        "headings": headings, "page": ordinal + 1,
    }  # fmt: skip
    return Hit(f"{item}.{ordinal}", 1.0, payload)


def texts(*ranked: tuple[float, Hit], limit: int = 5) -> list[str]:
    return [passage.text for passage in merge(ranked, limit)]


def test_neighbours_are_one_passage_in_reading_order() -> None:
    [found] = merge([(1.0, hit(4)), (0.9, hit(5)), (0.8, hit(3))], 5)
    assert (found.text, found.page, found.score) == ("Part 3.\nPart 4.\nPart 5.", 4, 1.0)


def test_what_is_of_another_item_section_or_pair_or_far_behind_stays_apart() -> None:
    for other in (
        (0.9, hit(2, item="kn_b")),
        (0.9, hit(2, headings=["Returns"])),
        (0.9, hit(2, kind="qa")),
        (0.9, hit(3)),
        (0.4, hit(2)),
    ):
        assert texts((1.0, hit(1)), other) == ["Part 1.", other[1].payload["text"]]  # type: ignore[index]


def test_a_neighbour_of_the_best_joins_even_when_there_is_no_room_for_more() -> None:
    ranked = [(1.0, hit(1)), (0.9, hit(7)), (0.8, hit(2))]
    assert texts(*ranked, limit=1) == ["Part 1.\nPart 2."]
