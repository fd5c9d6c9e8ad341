"""Sparse terms: text to weighted term ids, so that BM25 comes out of the vector store.

A score of BM25 (Robertson & Zaragoza 2009) is a sum over terms of IDF times a saturated term
frequency. The store computes the IDF (Qdrant's ``Modifier.IDF``); the saturated frequency is
the value in a passage's sparse vector and the query's values are its term counts.

Words are runs of ``[\\p{L}\\p{M}\\p{N}]`` (``\\w`` breaks Indic scripts). Scripts written without
spaces become overlapping bigrams. A word is reduced by its script's stemmer; for Latin script
that takes the language. A passage's language is detected on the whole document; a question is
too short to be sure, so it carries the stems of several likely languages.
"""

import asyncio
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from threading import local

import msgspec
import regex
import Stemmer
from py3langid import langid

from libs.retrieval.stopwords import STOPWORDS

K1 = 1.2
B = 0.6
AVERAGE_LENGTH = 160.0  # terms in a passage; a constant, so that a passage's vector never changes
TELLING = 30  # characters of plain ASCII below which no language is told
LONGEST_WORD = 64  # characters; beyond that it is data, not a word

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’]\p{L}+)?")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆]+"
)
_POSSESSIVE = regex.compile(r"['’]\p{L}+$")
_LATIN = regex.compile(r"\p{Latin}")
_BY_SCRIPT = (
    (regex.compile(r"\p{Cyrillic}"), "russian"),
    (regex.compile(r"\p{Greek}"), "greek"),
    (regex.compile(r"\p{Arabic}"), "arabic"),
    (regex.compile(r"\p{Devanagari}"), "hindi"),
    (regex.compile(r"\p{Tamil}"), "tamil"),
    (regex.compile(r"\p{Armenian}"), "armenian"),
)
_LATIN_STEMMERS = {
    "en": "english", "es": "spanish", "de": "german", "fr": "french", "pt": "portuguese",
    "it": "italian", "nl": "dutch", "pl": "polish", "tr": "turkish", "ro": "romanian",
    "sv": "swedish", "da": "danish", "no": "norwegian", "nb": "norwegian", "fi": "finnish",
    "hu": "hungarian", "cs": "czech", "ca": "catalan", "id": "indonesian", "eu": "basque",
    "et": "estonian", "lt": "lithuanian", "ga": "irish",
}  # fmt: skip
_DETECTED = [*_LATIN_STEMMERS, "vi", "ru", "uk", "bg", "el", "ar", "fa", "ur", "he", "hi", "bn",
             "ta", "th", "zh", "ja", "ko"]  # fmt: skip
_DETECTED.remove("nb")
_CANDIDATES = 2  # languages tried for the words of a question, besides English and the hint


class Terms(msgspec.Struct, frozen=True):
    """A sparse vector: ids ascending, one value each."""

    ids: list[int]
    values: list[float]


def passage_terms(text: str, language: str) -> Terms:
    """The sparse vector of a passage in ``language`` (as `detect` names it)."""
    counts = Counter(_stems(text, (language,)))
    length = counts.total()
    norm = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    return _vector({term: n * (K1 + 1) / (n + norm) for term, n in counts.items()})


def query_terms(text: str, hint: str = "") -> Terms:
    """The sparse vector of a question; ``hint`` is a language it is likely in."""
    counts = Counter(_stems(text, likely_languages(text, hint)))
    return _vector({term: 1.0 + 0.5 * (n > 1) for term, n in counts.items()})


def content_stems(text: str, languages: tuple[str, ...]) -> list[frozenset[str]]:
    """For each word that carries content: the stems it may appear as, in order, no repeats."""
    seen: dict[frozenset[str], None] = {}
    found = list(words(text))
    told = [word in STOPWORDS or _bare(word) in STOPWORDS for word in found]
    for number, word in enumerate(found):
        before = number > 0 and told[number - 1] and _overlap(found[number - 1], word)
        after = number + 1 < len(found) and told[number + 1] and _overlap(word, found[number + 1])
        if not (told[number] or before or after):
            seen.setdefault(frozenset(_stems_of(word, languages)))
    return list(seen)


def _overlap(first: str, second: str) -> bool:
    """Whether they are pairs of an unspaced script with a letter in common: one half of the
    second then belongs to the first, so where that carries nothing, neither does the second.
    """
    if not (is_unspaced(first) and is_unspaced(second)):
        return False
    return any(first.endswith(second[:size]) for size in range(1, len(second)))


def stem_set(text: str, language: str) -> frozenset[str]:
    """All stems of a passage."""
    return frozenset(_stems(text, (language,)))


def words(text: str) -> Iterator[str]:
    """Lower-case words; runs of an unspaced script as overlapping bigrams."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        word = match.group()
        if len(word) > LONGEST_WORD:
            word = word[:LONGEST_WORD]
        if _UNSPACED.search(word):
            yield from _split_unspaced(word)
        else:
            yield word


def is_unspaced(term: str) -> bool:
    """Whether a term is of a script written without spaces, so part of a word or of two."""
    return _UNSPACED.search(term) is not None


def detect(text: str) -> str:
    """The language of a text as a two-letter code; English where there is too little to judge."""
    sample = text[:4000]
    if len(sample) < TELLING and sample.isascii():
        return "en"
    return _detector().classify(sample)[0] if _WORD.search(sample) else "en"


@lru_cache(maxsize=4096)  # a question is asked for it by each way it is searched for
def ranked_languages(text: str) -> tuple[str, ...]:
    """The two languages a short text is likeliest in."""
    return tuple(code for code, _ in _detector().rank(text[:1000])[:_CANDIDATES])


def likely_languages(text: str, hint: str = "") -> tuple[str, ...]:
    """Languages whose stems a short text is given, likeliest first."""
    ranked = ranked_languages(text)
    return tuple(dict.fromkeys([*ranked, *([hint[:2]] if hint else []), "en"]))


def _stems(text: str, languages: tuple[str, ...]) -> Iterator[str]:
    for word in words(text):
        yield from _stems_of(word, languages)


@lru_cache(maxsize=65536)
def _stems_of(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    bare = _bare(word)
    if not _LATIN.search(bare):
        name = next((name for script, name in _BY_SCRIPT if script.search(bare)), None)
        return (_fold(_stemmer(name).stemWord(bare)) if name else bare,)
    found = dict.fromkeys(
        _fold(_stemmer(_LATIN_STEMMERS[code]).stemWord(bare)) if code in _LATIN_STEMMERS else bare
        for code in languages
    )
    return tuple(found) or (_fold(bare),)


def _bare(word: str) -> str:
    return _POSSESSIVE.sub("", word) if "'" in word or "’" in word else word


def _split_unspaced(word: str) -> Iterator[str]:
    end = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > end:
            yield word[end : run.start()]
        text = regex.findall(r"\X", run.group())  # a letter with its marks is one unit
        if len(text) == 1:
            yield text[0]
        for first, second in pairwise(text):
            yield first + second
        end = run.end()
    if end < len(word):
        yield word[end:]


def _fold(word: str) -> str:
    """Without accents: people leave them out when they ask."""
    if word.isascii():
        return word
    plain = unicodedata.normalize("NFD", word)
    kept = "".join(c for c in plain if not "\u0300" <= c <= "\u036f").replace("ı", "i")
    return unicodedata.normalize("NFC", kept.replace("ß", "ss").replace("ё", "е"))


def _vector(weights: dict[str, float]) -> Terms:
    by_id: dict[int, float] = {}
    for term, weight in weights.items():
        key = term_id(term)
        by_id[key] = max(by_id.get(key, 0.0), weight)
    ids = sorted(by_id)
    return Terms(ids, [round(by_id[key], 5) for key in ids])


@lru_cache(maxsize=131072)
def term_id(term: str) -> int:
    """A stable 32-bit id. Two of a million terms share one with a chance of about 1 in 10,000."""
    return int.from_bytes(blake2b(term.encode(), digest_size=4).digest(), "little")


_threads = local()  # a stemmer keeps state while it works: one set a thread


def _stemmer(name: str) -> "Stemmer.Stemmer":
    found: dict[str, Stemmer.Stemmer] = _threads.__dict__.setdefault("stemmers", {})
    if name not in found:
        found[name] = Stemmer.Stemmer(name)
    return found[name]


async def load() -> None:
    """Have the language detector in memory: read once, beside the event loop."""
    if not _detector.cache_info().currsize:
        await asyncio.to_thread(_detector)


@lru_cache(maxsize=1)
def _detector() -> langid.LanguageIdentifier:
    whole = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)
    whole.set_languages(_DETECTED)
    return langid.LanguageIdentifier(  # of these languages alone: a third of the memory less
        whole.nb_ptc,
        whole.nb_pc,
        whole.nb_classes,
        whole.tk_nextmove,
        whole.tk_output,
        tk_row=whole.tk_row,
    )


def join(texts: Iterable[str]) -> str:
    """Heading path and text as they are embedded and indexed: one line each."""
    return "\n".join(text for text in texts if text)
