"""Pages and scripts of the project itself: the widget, the dashboard, the site, the reference.

Files lie in ``static/{widget,dashboard,site}``. Those under ``assets/`` carry a hash in their
name and never change; the rest is asked about by ETag. A file may have a ``.br`` or ``.gz`` beside it.
"""

import asyncio
import hashlib
import mimetypes
from pathlib import Path

import msgspec
from aiohttp import web

from libs.common.errors import NotFound
from services.gateway.call import Call

STATIC = Path(__file__).with_name("static")
LARGEST_CACHED = 4 << 20  # bytes of a file
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
SHORT = "public, max-age=300"


class File(msgspec.Struct, frozen=True):
    body: bytes
    etag: str
    kind: str
    stamp: int


class Pages:
    """Files by their path below ``static``, kept in memory until they change."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: dict[Path, File] = {}

    async def serve(
        self, call: Call, name: str, *, cache: str = REVALIDATE, policy: str = PAGE_POLICY
    ) -> web.Response:
        """A file. Raises `NotFound`, also for what lies outside of the folder."""
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise NotFound
        coding, file = await asyncio.to_thread(
            self._find, path, call.request.headers.get("Accept-Encoding", "")
        )
        headers = {
            **call.headers,
            "Content-Type": file.kind,
            "Cache-Control": cache,
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": policy,
        }
        if coding:
            headers["Content-Encoding"] = coding
        if call.request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers=headers)

    def _find(self, path: Path, accepted: str) -> tuple[str, File]:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind.endswith(("javascript", "json", "xml")):
            kind += "; charset=utf-8"
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            packed = path.with_name(path.name + suffix)
            if coding in accepted and (found := self._read(packed, kind)):
                return coding, found
        found = self._read(path, kind)
        if found is None:
            raise NotFound("There is no such page.")
        return "", found

    def _read(self, path: Path, kind: str) -> File | None:
        try:
            stamp = path.stat().st_mtime_ns
            known = self._files.get(path)
            if known is not None and known.stamp == stamp:
                return known
            body = path.read_bytes()
        except (OSError, ValueError):
            return None
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        file = File(body, etag, kind, stamp)
        if len(body) <= LARGEST_CACHED:
            self._files[path] = file
        return file
