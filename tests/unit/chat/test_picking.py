"""What is said of the found passages: the statement that answers, whole, and no stray neighbour."""

from collections.abc import AsyncIterator, Sequence

import pytest

from libs.retrieval import terms
from libs.retrieval.collection import named
from libs.retrieval.embed import EmbedderSettings
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.embedders import QueryEmbedders
from libs.retrieval.passages import Passage, Passages
from services.chat.answerers.extractive import paragraphs
from services.chat.answerers.picking import choose
from services.chat.answerers.port import Question, Relate
from tests.shapes import a_chatbot

DELIVERY = """We deliver to Belgium, Germany and France.
Delivery times and prices
Country | Time after shipping | Price
Belgium | 1 to 2 days | free
Germany | 3 to 4 days | 39 €
France | 4 to 6 days | 49 €"""
ERRORS = (
    "E07 means that the speed sensor does not see the magnet: turn the magnet to the sensor. "
    "E21 means that the motor is too hot: let it cool down for ten minutes."
)
BATTERY = (
    "A full charge takes four and a half hours with the standard charger. "
    "Never charge below 0 °C. The battery is under the saddle."
)
RETURNS = """You may return a bike within 30 days.
1. Open Orders in your account and choose Return.
2. Pick a day for the collection.
3. Put the bike back in its box."""


def passage(text: str, title: str = "Help", **fields: object) -> Passage:
    return Passage(id=title, score=1.0, knowledge_id=title, title=title, text=text, **fields)  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True)
async def loaded() -> None:
    """As a search does before anything is picked from what it found."""
    await terms.load()


@pytest.fixture
async def relate() -> AsyncIterator[Relate]:
    """By the packaged embedder."""
    await terms.load()
    async with QueryEmbedders.open(EmbedderSettings()) as embedders:
        of = named("test", PackagedEmbedder.model, PackagedEmbedder.dimensions)
        await (await embedders.get(of)).queries.embed("ready")  # a question waits for no load

        async def by_meaning(question: str, texts: Sequence[str]) -> list[float] | None:
            return await embedders.relate(of, question, texts)

        yield by_meaning


async def by_words_alone(_: str, __: Sequence[str]) -> None:
    """While the embedder is away."""


async def nothing(_: str) -> Passages:
    return Passages(passages=[], answerable=False, confidence=0.0)


async def said(relate: Relate, text: str, *passages: Passage, language: str = "en") -> str:
    question = Question(
        chatbot=a_chatbot("bot_1"),
        language=language,
        text=text,
        asked=text,
        history=[],
        passages=passages,
        search=nothing,
        relate=relate,
    )
    return "\n\n".join(paragraphs(await choose(question)))


async def test_a_row_of_a_table_is_said_with_what_its_columns_are(relate: Relate) -> None:
    answer = await said(
        relate,
        "How long does delivery to Germany take, and what does it cost?",
        passage(DELIVERY, "Delivery"),
    )
    assert answer == "Germany – Time after shipping: 3 to 4 days, Price: 39 €"


async def test_a_row_of_two_columns_is_said_with_its_label(relate: Relate) -> None:
    table = passage("Extra | Price\nRain canopy | 189 euros\nDog ramp | 95 euros", "Cargo bike")
    assert await said(relate, "What does the rain canopy cost?", table) == "Rain canopy: 189 euros"


@pytest.mark.parametrize("code", ["E07", "E21"])
async def test_a_sentence_comes_without_its_neighbour(relate: Relate, code: str) -> None:
    answer = await said(relate, f"My display says {code}. What does that mean?", passage(ERRORS))
    assert answer.startswith(f"{code} means")
    assert answer.count("means") == 1


async def test_a_question_in_another_language_is_answered_by_the_right_sentence(
    relate: Relate,
) -> None:
    there = [passage(BATTERY, "Battery"), passage(RETURNS, "Returns")]
    for question, language, wanted in (
        ("Wie lange dauert das Laden des Akkus?", "de", "four and a half hours"),
        ("¿Cuántos días tengo para devolver la bicicleta?", "es", "within 30 days"),
        ("电池充满电需要多长时间?", "zh", "four and a half hours"),
    ):
        assert wanted in await said(relate, question, *there, language=language), question


async def test_a_question_finds_what_is_said_in_other_words(relate: Relate) -> None:
    there = passage("Dogs are welcome in the garden. The café closes at five.", "Visiting us")
    for question in (
        "Can I bring my dog?",
        "Darf ich meinen Hund mitbringen?",
        "Are pets allowed?",
    ):
        assert await said(relate, question, there) == "Dogs are welcome in the garden.", question


async def test_what_answers_stands_first_though_a_further_sentence_stands_before_it(
    relate: Relate,
) -> None:
    there = passage(
        "Lieferungen gehen an jede Adresse in Belgien und Deutschland. "
        "Die Lieferung nach Deutschland kostet 39 Euro.",
        "Lieferung",
        language="de",
    )
    answer = await said(relate, "Was kostet die Lieferung nach Deutschland?", there, language="de")
    assert answer.startswith("Die Lieferung nach Deutschland kostet 39 Euro.")


async def test_steps_are_told_together(relate: Relate) -> None:
    answer = await said(relate, "In which order do I return it in its box?", passage(RETURNS))
    assert answer.split("\n")[-3:] == RETURNS.split("\n")[1:]


async def test_nothing_is_said_when_nothing_is_near(relate: Relate) -> None:
    asked = "¿Cuál es la capital de Mongolia?"
    assert not await said(relate, asked, passage(ERRORS), language="es")


async def test_words_decide_while_the_embedder_is_away() -> None:
    there = [passage(BATTERY, "Battery"), passage(RETURNS, "Returns")]
    answer = await said(by_words_alone, "How long does a full charge take?", *there)
    assert answer == "A full charge takes four and a half hours with the standard charger."


async def test_the_answer_of_a_pair_is_said_as_it_was_written(relate: Relate) -> None:
    pair = passage("Line one.\n\nLine two.", "Pair", kind="qa", question="What is it?")
    assert await said(relate, "What is it?", pair, passage(ERRORS)) == "Line one.\n\nLine two."
