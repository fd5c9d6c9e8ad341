"""Chunks: by structure, in the embedder's tokens, tables and answers whole where they fit."""

from services.ingest.chunk import LARGEST, TARGET, chunks, question_chunks
from services.ingest.extract.blocks import Block

SENTENCE = "The lift of hall {0} is out of order until the tenth of May. "


def count(text: str) -> int:
    return len(text.split())


def test_a_chunk_stands_under_one_path_of_headings_and_carries_it_into_what_is_embedded() -> None:
    found = chunks(
        "Tariffs",
        [
            Block("heading", "Tariffs", 1),
            Block("text", "Prices are without tax."),
            Block("heading", "Pro", 2),
            Block("heading", "Monthly", 3),
            Block("text", "It costs 9 EUR.", page=4),
            Block("heading", "Free", 2),
            Block("text", "It costs nothing."),
        ],
        count,
    )
    assert [(chunk.headings, chunk.text, chunk.page) for chunk in found] == [
        ([], "Prices are without tax.", None),
        (["Pro", "Monthly"], "It costs 9 EUR.", 4),
        (["Free"], "It costs nothing.", None),
    ]
    assert found[1].indexed("Tariffs") == "Tariffs > Pro > Monthly\nIt costs 9 EUR."


def test_a_long_text_is_cut_between_sentences_and_nothing_of_it_is_lost() -> None:
    sentences = [SENTENCE.format(number).strip() for number in range(200)]
    found = chunks("Lifts", [Block("text", " ".join(sentences))], count)
    assert len(found) > 5
    assert all(chunk.tokens <= TARGET and chunk.tokens == count(chunk.text) for chunk in found)
    assert " ".join(chunk.text for chunk in found).split() == " ".join(sentences).split()
    assert all(chunk.text.endswith(".") for chunk in found)


def test_one_endless_word_is_cut_as_well() -> None:
    found = chunks("Data", [Block("text", "x" * 5_000)], lambda text: len(text) // 2)
    assert "".join(chunk.text for chunk in found).replace("\n", "").replace(" ", "") == "x" * 5_000
    assert all(chunk.tokens <= TARGET for chunk in found)


def test_a_table_that_fits_is_kept_whole_and_of_a_larger_one_each_part_has_its_head() -> None:
    def table(rows: int) -> Block:
        lines = [f"Plan {row} | {row} EUR | monthly" for row in range(rows)]
        return Block("table", "\n".join(["Plan | Price | Paid", *lines]))

    whole = table(40)
    assert TARGET < count(whole.text) < LARGEST
    before = Block("text", "What it costs.")
    assert [(c.kind, c.text) for c in chunks("Plans", [before, whole], count)] == [
        ("text", before.text),
        ("table", whole.text),
    ]
    parts = chunks("Plans", [table(300)], count)
    assert len(parts) > 3
    assert all(part.text.startswith("Plan | Price | Paid\n") for part in parts)
    rows = [row for part in parts for row in part.text.split("\n")[1:]]
    assert rows == table(300).text.split("\n")[1:]


def test_a_question_is_kept_with_its_whole_answer_or_with_each_part_of_a_long_one() -> None:
    [pair] = question_chunks("Where do you ship?", "To all of Europe.", count)
    assert (pair.kind, pair.question, pair.text) == (
        "qa",
        "Where do you ship?",
        "To all of Europe.",
    )
    assert pair.indexed("Shipping") == "Shipping\nWhere do you ship?\nTo all of Europe."
    parts = question_chunks("Which lifts?", "".join(map(SENTENCE.format, range(100))), count)
    assert len(parts) > 1
    assert {(part.kind, part.question) for part in parts} == {("qa", "Which lifts?")}
