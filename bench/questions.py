"""Question sets: ``documents.jsonl`` and ``questions.jsonl`` in one folder a language.

A document is ``{"id", "title", "text"}``; a question ``{"id", "question", "document", "answer"}``
with the id of the document that answers it, or null where none does.
"""

import random
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

OWN = Path(__file__).parent / "sets"
SAMPLE_DOCUMENTS = 100
SAMPLE_QUESTIONS = 150


class Source(msgspec.Struct, frozen=True):
    id: str
    title: str
    text: str


class Question(msgspec.Struct, frozen=True):
    id: str
    question: str
    document: str | None
    answer: str | None = None


class QuestionSet(msgspec.Struct, frozen=True):
    name: str
    documents: list[Source]
    questions: list[Question]

    @property
    def language(self) -> str:
        return self.name.rpartition("-")[2][:2]

    def sample(self, seed: int = 1) -> "QuestionSet":
        """A part of it, always the same: neighbouring documents and some of their questions."""
        kept = self.documents[:SAMPLE_DOCUMENTS]
        known = {document.id for document in kept}
        asked = [q for q in self.questions if q.document is None or q.document in known]
        random.Random(seed).shuffle(asked)
        return QuestionSet(self.name, kept, asked[:SAMPLE_QUESTIONS])

    def halves(self) -> tuple[set[str], set[str]]:
        """Ids of documents in two parts; what has one title stays together.

        So do the sections of one page, which are called "page: section".
        """
        pages = {document.id: document.title.partition(": ")[0] for document in self.documents}
        first = set(list(dict.fromkeys(pages.values()))[::2])
        one = {id for id, page in pages.items() if page in first}
        return one, {document.id for document in self.documents} - one


def read(folder: Path) -> QuestionSet:
    """Raises `FileNotFoundError` and `msgspec.ValidationError`."""
    if not all((folder / name).is_file() for name in ("documents.jsonl", "questions.jsonl")):
        raise FileNotFoundError(
            f"{folder} holds no question set; documents.jsonl and questions.jsonl are expected."
        )
    documents = _lines(folder / "documents.jsonl", Source)
    questions = _lines(folder / "questions.jsonl", Question)
    return QuestionSet(folder.resolve().name, documents, questions)


def own() -> list[QuestionSet]:
    """The project's own sets, made from the example help centre and a shop like it."""
    return [read(folder) for folder in sorted(OWN.iterdir()) if folder.is_dir()]


def _lines(path: Path, type_: type[T]) -> list[T]:
    with path.open("rb") as file:
        return [msgspec.json.decode(line, type=type_) for line in file if line.strip()]
