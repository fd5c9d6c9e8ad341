"""Pages and scripts of the project itself: the widget, the dashboard, the site, the reference.

Files lie in ``static/{widget,dashboard,site}``. Those under ``assets/`` carry a hash in their
name and never change; so do those asked for with the version of their area, a hash over all its
files, which takes the place of ``{{version}}`` in what names them. The rest is asked about by ETag.
No page may run inline script; its import map, which only names modules, is let in by its hash.
Texts are packed when first asked for, unless a ``.br`` or ``.gz`` lies beside them.
"""

import asyncio
import base64
import gzip
import hashlib
import mimetypes
import re
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
WORTH_PACKING = 600  # bytes
MOST_PACKED = 500  # files
PLACE = b"{{version}}"
IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class File(msgspec.Struct, frozen=True):
    body: bytes
    etag: str
    kind: str
    stamp: int
    import_map: str = ""  # its source in a policy


class Pages:
    """Files by their path below ``static``, kept in memory until they change."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: dict[Path, File] = {}
        self._packed: dict[str, File] = {}
        self._versions: dict[str, tuple[tuple[int, ...], str]] = {}

    def version(self, area: str) -> str:
        """A hash over the area's own files: changes when one of them does."""
        paths = sorted(p for p in (self._folder / area).rglob("*") if p.is_file())
        stamps = tuple(path.stat().st_mtime_ns for path in paths)
        known = self._versions.get(area)
        if known is None or known[0] != stamps:
            digest = hashlib.sha256()
            for path in paths:
                digest.update(
                    str(path.relative_to(self._folder)).encode() + b"\0" + path.read_bytes() + b"\0"
                )
            known = self._versions[area] = (stamps, digest.hexdigest()[:12])
        return known[1]

    async def serve(
        self, call: Call, name: str, *, cache: str = REVALIDATE, policy: str = PAGE_POLICY
    ) -> web.Response:
        """A file. Raises `NotFound`, also for what lies outside of the folder."""
        coding, file = await asyncio.to_thread(
            self._find, name, call.request.headers.get("Accept-Encoding", "")
        )
        headers = {
            **call.headers,
            "Content-Type": file.kind,
            "Cache-Control": cache,
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": policy.replace(
                "script-src 'self'", f"script-src 'self'{file.import_map}"
            ),
        }
        if coding:
            headers["Content-Encoding"] = coding
        if call.request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers=headers)

    def _find(self, name: str, accepted: str) -> tuple[str, File]:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise NotFound
        coding, file = self._stored(path, accepted)
        if PLACE in file.body:
            area = path.relative_to(self._folder.resolve()).parts[0]
            body = file.body.replace(PLACE, self.version(area).encode())
            file = File(body, _etag(body), file.kind, file.stamp, _import_map(body, file.kind))
        if coding or "gzip" not in accepted or not _is_text(file.kind):
            return coding, file
        return self._pack(file)

    def _pack(self, file: File) -> tuple[str, File]:
        if not WORTH_PACKING < len(file.body) <= LARGEST_CACHED:
            return "", file
        packed = self._packed.get(file.etag)
        if packed is None:
            body = gzip.compress(file.body, 9, mtime=0)
            packed = File(body, _etag(body), file.kind, file.stamp, file.import_map)
            if len(self._packed) >= MOST_PACKED:
                self._packed.clear()
            self._packed[file.etag] = packed
        return "gzip", packed

    def _stored(self, path: Path, accepted: str) -> tuple[str, File]:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if _is_text(kind):
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
        file = File(body, _etag(body), kind, stamp)
        if len(body) <= LARGEST_CACHED:
            self._files[path] = file
        return file


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _import_map(body: bytes, kind: str) -> str:
    found = IMPORT_MAP.search(body) if kind.startswith("text/html") else None
    if found is None:
        return ""
    digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
    return f" 'sha256-{digest}'"


def _is_text(kind: str) -> bool:
    kind = kind.partition(";")[0]
    return kind.startswith("text/") or kind.endswith(("javascript", "json", "xml"))
