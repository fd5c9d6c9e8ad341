"""Whether a question leans on the one before it ("and abroad?", "how long does it take?").

One that stands by itself must not be completed: the earlier question would find its own passage
again, and what was asked of something else would be answered from that.
"""

from libs.retrieval.terms import content_stems, is_unspaced, likely_languages, words

WORDS = 1  # with no more content than that a question says too little by itself
PAIRS = 2  # of letters, in scripts written without spaces


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What joins a question to something said before, as its first word. Of all languages at once, as
# that of a short text can't be told: without words that mean something else in another.
_OPENING = _listed("""
    and or but so then also  und oder aber dann auch  y o pero entonces también  et ou mais alors
    aussi  mas então também  e ed ma allora anche  en of maar dan ook  oraz lub ale  ve peki ya ama
    а и или но  و أو ثم وماذا وكم وهل وأين وكيف ومتى  और या तो लेकिन""")
# What points at it, anywhere.
_POINTING = _listed("""
    it its this that these those they them their  dies diese diesem diesen dieser dieses dafür
    damit davon dazu daran darauf dabei ihn ihm  eso esto ese esa esos esas ello  ça cela ceci
    celui celle  isso isto esse essa desse dessa nisso  questo questa quello quella ciò  dit deze
    daarvoor daarmee ervan ervoor  tego tej tym  bu bunu bunun şu onu onun  это этот эта эти этого
    его её их он она они  هذا هذه ذلك تلك  यह वह इस उस ये वे इसका उसका""")
# What points at it only where it ends the question: elsewhere an article, or "there is".
_CLOSING = _listed("""
    there one ones too  es das sie dort da  lo allí ahí  là y  lá aí ali  lì  dat daar het er
    tam  orada o  там туда  هناك  वहाँ""")
_UNSPACED = ("它", "这", "那", "呢", "それ", "これ", "そこ", "その", "この", "では", "じゃ")


def leans(question: str, language: str = "") -> bool:
    """``language`` is a hint."""
    said = list(words(question))
    if not said:
        return False
    if said[0] in _OPENING or said[-1] in _CLOSING or not _POINTING.isdisjoint(said):
        return True
    if any(mark in question for mark in _UNSPACED):
        return True
    content = [next(iter(f)) for f in content_stems(question, likely_languages(question, language))]
    pairs = sum(map(is_unspaced, content))
    return len(content) - pairs <= WORDS and pairs <= PAIRS
