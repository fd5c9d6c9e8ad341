"""Uploads: streamed to the blob store, each file judged alone."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.common import calls
from libs.common.envelope import Context
from services.gateway.uploads import blob_key
from tests.integration.gateway.conftest import NOW, Start, World


def form(*files: tuple[str, bytes], **fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(default_to_multipart=True)
    for name, content in files:
        made.add_field("file", content, filename=name, content_type="application/octet-stream")
    for name, value in fields.items():
        made.add_field(name, value)
    return made


@pytest.fixture
def taken(world: World) -> list[Any]:
    """What ingest was given."""
    requests: list[Any] = []

    async def take(_: Context, request: Any) -> Any:
        requests.append(request)
        return {
            "data": [
                {
                    "id": f"kn_{n}",
                    "chatbotId": request.chatbot_id,
                    "type": "document",
                    "source": file.filename,
                    "title": file.filename,
                    "status": "failed" if file.error else "pending",
                    "stage": "",
                    "semantic": "pending",
                    "progress": {"found": 0, "fetched": 0, "indexed": 0, "failed": 0},
                    "chunks": 0,
                    "error": file.error,
                    "attempts": 0,
                    "refresh": "never",
                    "parentId": None,
                    "createdAt": NOW,
                    "updatedAt": NOW,
                    "indexedAt": None,
                }
                for n, file in enumerate(request.files)
            ]
        }

    world.behind.on[calls.KNOWLEDGE_UPLOAD.subject] = take
    return requests


PATH = "/api/knowledge/upload"


async def test_files_reach_the_store_whatever_the_order_of_the_parts(
    world: World, taken: list[Any], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 8_000
    data = form(("guide.pdf", content), ("notes.md", b"# Notes"), chatbotId="bot_1", title="Docs")
    reply = await world.api.post(PATH, data=data)
    assert reply.status == 202, reply.raw
    assert [item["source"] for item in reply.body["data"]] == ["guide.pdf", "notes.md"]
    files = taken[0].files
    assert [(f.filename, f.size, f.error) for f in files] == [
        ("guide.pdf", len(content), None),
        ("notes.md", 7, None),
    ]
    assert taken[0].title == "Docs"
    path = tmp_path / "copy"
    size = await world.gateway.blobs.download(blob_key(world.account, files[0].upload_id), path)
    assert size == len(content)
    assert path.read_bytes() == content


async def test_one_file_too_large_does_not_keep_the_others_out(start: Start) -> None:
    world = await start(upload_mb=1)
    requests: list[Any] = []

    async def take(_: Context, request: Any) -> Any:
        requests.append(request)
        return {"data": []}

    world.behind.on[calls.KNOWLEDGE_UPLOAD.subject] = take
    data = form(("big.txt", b"x" * (3 << 20)), ("small.txt", b"hello"), chatbotId="bot_1")
    assert (await world.api.post(PATH, data=data)).status == 202
    big, small = requests[0].files
    assert (big.error.code, small.error) == ("file_too_large", None)
    alone = await world.api.post(PATH, data=form(("big.txt", b"x" * (3 << 20)), chatbotId="b"))
    assert (alone.status, alone.code) == (413, "file_too_large")


async def test_bad_forms_are_refused_and_leave_nothing_behind(
    world: World, taken: list[Any]
) -> None:
    cases = [
        (form(chatbotId="bot_1"), 400, "invalid_request"),
        (form(("a.txt", b"x")), 400, "invalid_request"),
        (form(("a.txt", b"x"), chatbotId="bot_1", colour="red"), 400, "unknown_field"),
    ]
    for data, status, code in cases:
        reply = await world.somewhere().post(PATH, data=data)
        assert (reply.status, reply.code) == (status, code)
    cut = await world.api.post(
        PATH,
        data=b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert 400 <= cut.status < 500
    none = await world.api.post(PATH, data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert none.status == 400
    assert await world.gateway.blobs.list("uploads") == []
    assert taken == []


async def test_parts_that_are_malformed_are_refused(world: World, taken: list[Any]) -> None:
    part = b"--x\r\nContent-Disposition: form-data; name=%b\r\n%b\r\nabc\r\n--x--\r\n"
    for name, more in (
        (b'file; filename="a\0b.md"', b""),
        (b"file; filename=a", b"X" * 9_000 + b": y\r\n"),
        (b'chatbotId; filename="a"', b"Content-Transfer-Encoding: nonsense\r\n"),
    ):
        odd = await world.api.post(
            PATH,
            data=part % (name, more),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert (odd.status, odd.code) == (400, "invalid_request"), more[:20]
    assert taken == []


async def test_a_file_whose_name_is_not_utf8_is_taken_under_another(
    world: World, taken: list[Any]
) -> None:
    data = (
        b'--x\r\nContent-Disposition: form-data; name="chatbotId"\r\n\r\nbot_1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff.txt"\r\n\r\nabc\r\n'
        b"--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Idempotency-Key": "odd"}
    assert (await world.api.post(PATH, data=data, headers=headers)).status == 202
    assert taken[0].files[0].filename == "?.txt"


async def test_the_sixth_upload_of_a_person_within_five_minutes_waits(
    world: World, taken: list[Any]
) -> None:
    _, second_key = await world.key(world.api, "knowledge")
    statuses = [
        (await api.post(PATH, data=form(("a.txt", b"x"), chatbotId="bot_1"))).status
        for api in [world.api, second_key] * 3
    ]
    assert statuses == [202] * 5 + [429]  # keys of one person count together
