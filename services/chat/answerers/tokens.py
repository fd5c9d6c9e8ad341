"""How many tokens a text takes of a model, about: no tokenizer is published to count them with."""

import math

ASCII = 3.5  # characters a token
LETTERS = 1.8  # of other alphabets
WIDE = 0.9  # of Han, kana, hangul
_WIDE_FROM = "\u2e80"


def estimated(text: str) -> int:
    """Rather too many than too few."""
    wide = sum(c >= _WIDE_FROM for c in text)
    plain = sum(c.isascii() for c in text)
    return math.ceil(wide / WIDE + plain / ASCII + (len(text) - wide - plain) / LETTERS)


def clipped(text: str, most: int) -> str:
    """The beginning of a text that takes so many tokens at most."""
    while (taken := estimated(text)) > most:
        text = text[: min(len(text) - 1, int(len(text) * most / taken))].rstrip()
    return text
