"""Documents to chunks: by title and structure, sized in the embedder's tokens.

A chunk never spans two sections. It carries the path of headings it stands under, which is
embedded and indexed with it, so that "It costs 9 EUR" is found for the product it is said of.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import regex

from libs.retrieval.passages import Kind, indexed_text
from libs.retrieval.terms import detect
from services.ingest.extract.blocks import Block

TARGET = 260  # tokens of text; passages of about this size embed best and quote well
LARGEST = 430  # tokens of a table or a piece of code that is kept whole
LONGEST_PATH = 300  # characters of the headings embedded with a chunk
LONGEST_PIECE = 2_000  # characters counted at once
DETECTABLE = 200  # characters from which a chunk's own language is told
DETECTED = 500  # characters of it that are looked at: more only takes longer

Count = Callable[[str], int]

_SENTENCE = regex.compile(
    r"(?<=[.!?…]['\")\]]?)\s+(?=[\p{Lu}\p{N}\p{Lo}\"'(\[])|(?<=[。！？।॥؟])|\n+"
)

_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}。！？]")


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of knowledge as it is found and quoted."""

    ordinal: int
    kind: Kind
    text: str
    headings: list[str]
    page: int | None
    tokens: int
    language: str
    question: str | None = None

    def indexed(self, title: str) -> str:
        return indexed_text(title, self.headings, self.question, self.text)


class _Piece(msgspec.Struct):
    text: str
    tokens: int
    page: int | None
    kind: Kind = "text"


def chunks(title: str, blocks: Sequence[Block], count: Count) -> list[Chunk]:
    """The chunks of a document in reading order."""
    language = detect(f"{title} " + " ".join(block.text for block in blocks[:40])[:4000])
    found: list[Chunk] = []
    for path, pieces in _sections(title, blocks, count):
        for group in _grouped(pieces):
            found.append(_chunk(len(found), path, group, language))
    return found


def question_chunks(question: str, answer: str, count: Count) -> list[Chunk]:
    """A Q&A pair: whole, or where the answer is too long in parts that each carry the question."""
    language = detect(f"{question} {answer}")
    pieces = [_Piece(answer, count(answer), None)]
    if pieces[0].tokens + count(question) > LARGEST:
        pieces = list(_pieces(Block("text", answer), count))
    return [
        msgspec.structs.replace(_chunk(number, [], group, language), kind="qa", question=question)
        for number, group in enumerate(_grouped(pieces))
    ]


def _sections(
    title: str, blocks: Sequence[Block], count: Count
) -> Iterator[tuple[list[str], list[_Piece]]]:
    """Runs of blocks under one path of headings."""
    stack: list[Block] = []
    pieces: list[_Piece] = []
    for number, block in enumerate(blocks):
        if block.kind != "heading":
            pieces.extend(_pieces(block, count))
            continue
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        if _is_empty(block, following) and block.text != title:
            pieces.extend(_pieces(block, count))  # a line that only looks like a heading
            continue
        if pieces:
            yield _path(title, stack), pieces
            pieces = []
        while stack and stack[-1].level >= block.level:
            stack.pop()
        stack.append(block)
    if pieces:
        yield _path(title, stack), pieces


def _is_empty(heading: Block, following: Block | None) -> bool:
    """Nothing stands under it: another heading of its rank follows, or nothing."""
    if following is None:
        return True
    return following.kind == "heading" and following.level <= heading.level


def _path(title: str, stack: list[Block]) -> list[str]:
    path = [" ".join(block.text.split()) for block in stack if block.text != title]
    while len(path) > 1 and sum(map(len, path)) > LONGEST_PATH:
        path.pop(0)
    return [heading[:LONGEST_PATH] for heading in path]


def _pieces(block: Block, count: Count) -> Iterator[_Piece]:
    """A block as pieces that each fit a chunk."""
    text = block.text.strip()
    tokens = _tokens(text, count)
    if block.kind in ("table", "code"):
        if tokens <= LARGEST:
            yield _Piece(text, tokens, block.page, "table" if block.kind == "table" else "text")
        else:
            yield from _by_lines(text, block, count)
    elif tokens <= TARGET:
        yield _Piece(text, tokens, block.page)
    else:
        yield from _by_sentences(text, block.page, count)


def _tokens(text: str, count: Count) -> int:
    if len(text) <= LONGEST_PIECE:
        return count(text)
    parts = range(0, len(text), LONGEST_PIECE)
    return sum(count(text[start : start + LONGEST_PIECE]) for start in parts)


def _by_lines(text: str, block: Block, count: Count) -> Iterator[_Piece]:
    """A large table in parts, each with its head; large code in parts."""
    lines = text.split("\n")
    head = lines[0] if block.kind == "table" and len(lines) > 1 else ""
    kind: Kind = "table" if block.kind == "table" else "text"
    head_tokens = min(count(head[:LONGEST_PIECE]), TARGET // 2) if head else 0
    part, size = [], head_tokens
    for line in lines[1:] if head else lines:
        tokens = _tokens(line, count)
        if tokens > TARGET:
            if part:
                yield _Piece("\n".join([head, *part] if head else part), size, block.page, kind)
                part, size = [], head_tokens
            yield from _by_sentences(line, block.page, count)
            continue
        if part and size + tokens > TARGET:
            yield _Piece("\n".join([head, *part] if head else part), size, block.page, kind)
            part, size = [], head_tokens
        part.append(line)
        size += tokens
    if part:
        yield _Piece("\n".join([head, *part] if head else part), size, block.page, kind)


def _by_sentences(text: str, page: int | None, count: Count) -> Iterator[_Piece]:
    part, size = "", 0
    for sentence, tokens in _split(text, count):
        if part and size + tokens > TARGET:
            yield _Piece(part, size, page)
            part, size = "", 0
        part = _appended(part, sentence)
        size += tokens
    if part:
        yield _Piece(part, size, page)


def _split(text: str, count: Count) -> Iterator[tuple[str, int]]:
    """Sentences with their tokens; what is too long is cut between words, or anywhere at last."""
    for sentence in _SENTENCE.split(text):
        sentence = sentence.strip()
        if not sentence:
            continue
        if len(sentence) <= LONGEST_PIECE and (tokens := count(sentence)) <= TARGET:
            yield sentence, tokens
            continue
        limit = 400
        while sentence:
            cut = sentence[:limit]
            if len(sentence) > limit and (space := cut.rfind(" ")) > limit // 2:
                cut = cut[:space]
            while (tokens := count(cut)) > TARGET and len(cut) > 20:
                cut = cut[: len(cut) // 2]
            yield cut.strip(), tokens
            sentence = sentence[len(cut) :].lstrip()


def _appended(text: str, sentence: str) -> str:
    if not text:
        return sentence
    return text + sentence if _UNSPACED.match(text[-1]) else f"{text} {sentence}"


def _grouped(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces of one section, as many to a chunk as fit; a table stays by itself when large."""
    group: list[_Piece] = []
    size = 0
    for piece in pieces:
        if group and size + piece.tokens > TARGET:
            yield group
            group, size = [], 0
        group.append(piece)
        size += piece.tokens
    if group:
        yield group


def _chunk(ordinal: int, path: list[str], group: list[_Piece], language: str) -> Chunk:
    text = "\n".join(piece.text for piece in group)
    tables = any(piece.kind == "table" for piece in group)
    return Chunk(
        ordinal=ordinal,
        kind="table" if tables and len(group) == 1 else "text",
        text=text,
        headings=path,
        page=group[0].page,
        tokens=sum(piece.tokens for piece in group),
        language=detect(text[:DETECTED]) if len(text) >= DETECTABLE else language,
    )
