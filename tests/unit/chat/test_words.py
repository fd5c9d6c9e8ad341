"""What visitors mean by a few words, in every language: a person, thanks, yes, no."""

import pytest

from services.chat import smalltalk, texts, words

ASKING = {
    "en": ["I want to talk to a human", "Can I speak to someone, please?", "agent", "LIVE AGENT!!"],
    "es": ["Quiero hablar con una persona", "¿Puedo hablar con un agente?"],
    "de": ["Ich möchte mit einem Menschen sprechen", "Mensch!"],
    "fr": ["Je veux parler à un conseiller", "Puis-je parler à quelqu’un ?"],
    "pt": ["Quero falar com um atendente", "Posso falar com alguém?"],
    "it": ["Vorrei parlare con un operatore", "posso parlare con una persona?"],
    "nl": ["Ik wil met een medewerker spreken", "Kan ik met iemand praten?"],
    "pl": ["Chcę porozmawiać z konsultantem", "Proszę połączyć z człowiekiem"],
    "tr": ["Müşteri temsilcisiyle görüşmek istiyorum", "Bir insanla konuşmak istiyorum"],
    "ru": ["Хочу поговорить с человеком", "Позовите оператора!"],
    "ar": ["أريد التحدث مع موظف", "هل يمكنني التحدث إلى شخص؟"],
    "hi": ["मुझे इंसान से बात करनी है", "किसी व्यक्ति से बात कराइए"],
    "zh": ["我要转人工", "人工客服"],
    "ja": ["担当者と話したいです", "オペレーターにつないでください"],
}
NOT_ASKING = [
    "I don't want to talk to a human",
    "I do not need to speak to a person",
    "Are you a real person?",
    "Ich möchte nicht mit einem Menschen sprechen",
    "je ne veux pas parler à un conseiller",
    "No quiero hablar con una persona",
    "What are the customer service hours?",
    "ما هي ساعات خدمة العملاء؟",
    "Comment devenir un conseiller ?",
    "Is the human resources office open?",
    "Wie viele Personen passen auf das Rad?",
    "Do I have to be there in person?",
]


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_person_is_called_by_the_visitors_words(language: str) -> None:
    for said in ASKING[language]:
        assert words.wants_person(said), said


@pytest.mark.parametrize("said", NOT_ASKING)
def test_other_words_call_nobody(said: str) -> None:
    assert not words.wants_person(said)


def test_a_wish_after_a_no_is_a_wish() -> None:
    assert words.wants_person("No, I want to talk to a person")
    assert words.wants_person("This is not helpful talk to a human")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Thank you!", smalltalk.is_thanks),
        ("Danke schön", smalltalk.is_thanks),
        ("谢谢！", smalltalk.is_thanks),
        ("ありがとうございます。", smalltalk.is_thanks),
        ("شكراً", smalltalk.is_thanks),
        ("Yes, please.", smalltalk.is_yes),
        ("हाँ", smalltalk.is_yes),
        ("Evet, lütfen", smalltalk.is_yes),
        ("No, thanks", smalltalk.is_no),
        ("いいえ、結構です", smalltalk.is_no),
        ("Bye!", smalltalk.is_goodbye),
        ("Hello :)", smalltalk.is_greeting),
        ("Доброе утро", lambda said: not smalltalk.is_thanks(said)),
        ("Are you a real person?", smalltalk.asks_who_answers),
        ("Bist du ein Mensch?", smalltalk.asks_who_answers),
    ],
)
def test_small_talk_is_known_by_heart(said: str, meant) -> None:
    assert meant(said)


@pytest.mark.parametrize(
    "said",
    ["Thanks, but how do I return it?", "hello how long is the warranty", "Is it yes or no?"],
)
def test_a_question_is_not_small_talk(said: str) -> None:
    known = (smalltalk.is_thanks, smalltalk.is_greeting, smalltalk.is_yes, smalltalk.is_no)
    assert not any(meant(said) for meant in known)


def test_a_topic_is_mentioned_as_a_word_not_as_a_part_of_one() -> None:
    assert words.mentions("What do you think about the war?", "war")
    assert not words.mentions("How long is the warranty?", "war")
    assert words.mentions("关于战争的问题", "战争")


@pytest.mark.parametrize("language", [code for code in texts.LANGUAGES if code != "en"])
def test_every_fixed_text_is_there_in_every_language(language: str) -> None:
    fixed = [value for name, value in vars(texts).items() if name.isupper() and name != "LOCALE"]
    for text in (text for text in fixed if isinstance(text, str)):
        assert texts.text(text, language) != text, (language, text)
    assert texts.text(texts.NO_ANSWER, f"{language}-XX") == texts.text(texts.NO_ANSWER, language)


def test_a_language_without_translations_gets_english() -> None:
    assert texts.text(texts.NO_ANSWER, "sw") == texts.NO_ANSWER
