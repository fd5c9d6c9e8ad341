"""Sparse terms: words of each language as they are asked for, whatever their script."""

import pytest

from libs.retrieval import terms
from libs.retrieval.terms import passage_terms, query_terms, words


@pytest.fixture(autouse=True)
async def detector() -> None:
    await terms.load()


def shared(question: str, passage: str, language: str) -> int:
    return len({*query_terms(question, language).ids} & {*passage_terms(passage, language).ids})


def test_scripts_without_spaces_are_pairs_of_letters_and_marks_stay_with_theirs() -> None:
    assert list(words("退款期限")) == ["退款", "款期", "期限"]
    assert list(words("ส่งฟรี")) == ["ส่ง", "งฟ", "ฟรี"]
    assert list(words("हिन्दी में")) == ["हिन्दी", "में"]
    assert list(words("iPhone充電")) == ["iphone", "充電"]
    assert list(words("L'été dernier")) == ["l'été", "dernier"]


@pytest.mark.parametrize(
    ("question", "passage", "language"),
    [
        ("refunded orders", "We refund an order within 30 days.", "en"),
        ("Rückgaben", "Eine Rückgabe ist möglich.", "de"),
        ("devolucion", "La devolución es gratuita.", "es"),
        ("доставки", "Доставка бесплатна.", "ru"),
        ("退款", "您可以在三十天内申请退款。", "zh"),
        ("返品", "返品は30日以内に承ります。", "ja"),
        ("คืนเงิน", "ขอคืนเงินได้ภายใน 30 วัน", "th"),
        ("वापसी", "वापसी 30 दिनों के भीतर होती है।", "hi"),
        ("الإرجاع", "يمكن الإرجاع خلال 30 يوما.", "ar"),
    ],
)
def test_a_question_shares_its_words_with_the_passage_in_another_form(
    question: str, passage: str, language: str
) -> None:
    assert shared(question, passage, language)


def test_a_word_said_often_counts_more_but_not_as_often() -> None:
    once, often = passage_terms("refund", "en"), passage_terms("refund " * 20, "en")
    assert once.ids == often.ids
    assert once.values[0] < often.values[0] < 3 * once.values[0]
