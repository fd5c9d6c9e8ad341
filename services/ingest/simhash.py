"""Near-duplicates by simhash (Charikar 2002; on web pages Manku, Jain, Das Sarma 2007).

Texts that share nearly all their word triples get 64-bit fingerprints a few bits apart.
"""

from collections import Counter
from hashlib import blake2b

import numpy as np
import regex

from libs.retrieval.terms import words

_NUMBER = regex.compile(r"\d+")

NEAR = 8  # bits; the paper takes 3 among 8 billion pages, here it is one site and one title
SHORTEST = 60  # words; shorter texts are only compared whole
LONGEST = 20_000  # words looked at


def simhash(text: str) -> int | None:
    """A signed 64-bit fingerprint; None for texts too short to compare."""
    found = list(words(text[: LONGEST * 12]))[:LONGEST]
    if len(found) < SHORTEST:
        return None
    triples = Counter(zip(found, found[1:], found[2:], strict=False))
    hashes = np.frombuffer(
        b"".join(blake2b(" ".join(t).encode(), digest_size=8).digest() for t in triples), ">u8"
    )
    weights = np.fromiter(triples.values(), np.float64, len(triples))
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    sums = (bits * 2.0 - 1.0).T @ weights
    value = int.from_bytes(np.packbits(sums > 0).tobytes(), "big")
    return value - (1 << 64) if value >= 1 << 63 else value


def numbers(text: str) -> int:
    """A signed 64-bit hash of the numbers in a text, whatever their order."""
    found = " ".join(sorted(_NUMBER.findall(text)))
    return int.from_bytes(blake2b(found.encode(), digest_size=8).digest(), "big", signed=True)


def distance(first: int, second: int) -> int:
    return ((first ^ second) & ((1 << 64) - 1)).bit_count()
