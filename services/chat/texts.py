"""Fixed texts in the visitor's language, from gettext catalogs; and words that visitors use."""

import gettext
import io
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = (
    "en", "es", "de", "fr", "pt", "it", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "ja",
)  # fmt: skip

NO_ANSWER = "I couldn't find an answer to that in our information."
OFFER_PERSON = "Would you like to talk to a person?"
HANDED_OVER = "I'm passing you on to a person. They will reply to you here."
WAITING = "Your message has been passed on. A person will reply to you here."
OUT_OF_HOURS = "Nobody is available right now. We will reply here as soon as we are back."
DISCLOSURE = "You are talking to an AI assistant. It can make mistakes."
FAILED = "Something went wrong while answering. Please ask again."
WELCOME = "You're welcome! Just ask if there is anything else."
GOODBYE = "Goodbye, and thank you for your visit!"
DECLINED = "All right. Just ask if there is anything else."
GREETING = "Hello! How can I help you?"
FORBIDDEN = "I can't talk about that here. Is there something else I can help you with?"


def base(language: str) -> str:
    """The language without region or script: ``pt-BR`` is ``pt``."""
    return language.replace("_", "-").partition("-")[0].lower()


def text(message: str, language: str) -> str:
    """A fixed text in a language, or in English where there is no translation."""
    return _catalog(base(language)).gettext(message)


def language_name(language: str) -> str:
    """The English name of a language, for a model's instructions."""
    code = language.replace("-", "_")
    return _names().get(code) or _names().get(base(language)) or language


def load() -> None:
    """Read all of it from disk, before the event loop has visitors."""
    _names()
    for language in LANGUAGES:
        _catalog(language)


@cache
def _names() -> dict[str, str]:
    """Unicode CLDR's names of languages in English, by code."""
    return dict(Locale("en").languages)


@cache
def _translated(language: str) -> gettext.NullTranslations:
    compiled = io.BytesIO()
    with (LOCALE / language / "LC_MESSAGES" / "chat.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _catalog(language: str) -> gettext.NullTranslations:
    if language not in LANGUAGES or language == "en":
        return gettext.NullTranslations()
    return _translated(language)
