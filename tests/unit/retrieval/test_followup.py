"""Which questions are completed by the one before: those that lean on it, in every language."""

import pytest

from libs.retrieval import terms
from libs.retrieval.followup import leans

LEANING = (
    "and for two?", "And abroad?", "How long does it take?", "What about dogs?", "Why?",
    "Und ins Ausland?", "Was kostet das?", "¿Y al extranjero?", "¿Cuánto cuesta eso?",
    "Et à l'étranger ?", "Combien ça coûte ?", "E para o exterior?", "Quanto custa isso?",
    "E all'estero?", "Quanto costa questo?", "En naar het buitenland?", "Hoe lang duurt dat?",
    "A za granicę?", "Ile to kosztuje?", "Peki yurt dışına?", "Bu ne kadar sürer?",
    "А за границу?", "Сколько это стоит?", "وماذا عن الخارج؟", "كم يستغرق ذلك؟",
    "और विदेश में?", "इसका दाम क्या है?", "国外呢？", "它多少钱？", "海外は？", "それはいくらですか？",
)  # fmt: skip
STANDING = (
    "Do you sell sledges?", "Can I bring my dog?", "Who is the president of France?",
    "How do I reset my password?", "Verkaufen Sie Schlitten?", "Wie setze ich mein Passwort zurück?",
    "Gibt es rote Schlitten zu kaufen?", "¿Venden trineos rojos?", "Vendez-vous des luges ?",
    "Vocês vendem trenós?", "Vendete slitte?", "Verkopen jullie sleeën?", "Czy sprzedajecie sanki?",
    "Kızak satıyor musunuz?", "Вы продаёте санки?", "هل تبيعون الزلاجات؟", "क्या आप स्लेज बेचते हैं?",
    "你们卖雪橇吗？", "そりを売っていますか？", "?!", "I lost my password, what now?",
    "A loja abre aos domingos de manhã?", "Wo ist die Rechnung meiner letzten Bestellung?",
    "Which address do I send returns to?",
)  # fmt: skip


@pytest.fixture(autouse=True)
async def detector() -> None:
    await terms.load()


@pytest.mark.parametrize("question", LEANING)
def test_a_question_that_points_back_or_says_too_little_leans(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize("question", STANDING)
def test_a_question_of_its_own_stands(question: str) -> None:
    assert not leans(question)
