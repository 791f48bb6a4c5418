"""A package index for tests: made in memory, served on loopback, with a login and with faults on request."""

import html
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from imagewright.dataclass import dataclass
from imagewright.oci.digest import digest_of, hex_of
from imagewright.parallel import beside
from imagewright.testing.wheels import MadeFile

_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that an index got. Names of ``headers`` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """What an index does wrong for the next ``times`` requests whose path ends in ``path``.

    ``kind`` is a status to answer, or "cut" (half of the body, then the connection ends), "flip" (one bit of the body
    is another) or "drop" (the connection ends without an answer).
    """

    path: str
    kind: int | Literal["cut", "flip", "drop"]
    times: int = 1


@dataclass
class PackageIndex:
    """Simple API (HTML and JSON) with PEP 658 metadata. Add files, then `serve` it. ``asked`` fills while it serves.

    What an index may leave out can be switched off: ``json``, ``metadata``, ``digests``, ``ranges``.
    Source: packaging.python.org, "Simple repository API".
    """

    files: list[MadeFile] = field(default_factory=list)
    login: tuple[str, str] | None = None
    json: bool = True
    metadata: bool = True
    digests: bool = True
    ranges: bool = True
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    yanked: frozenset[str] = frozenset()
    url: str = ""

    def add(self, *files: MadeFile) -> None:
        """Offer these files."""
        self.files += files

    def write(self, folder: Path) -> None:
        """Put the files into a folder, as find-links takes it."""
        for file in self.files:
            (folder / file.filename).write_bytes(file.data)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The URL of the simple API, which answers while the body runs."""
        index = self
        used: Counter[int] = Counter()

        class Handler(_Handler):
            def do_GET(self) -> None:
                self.answer(index, used)

            def do_HEAD(self) -> None:
                self.answer(index, used)

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/simple/"
            with beside(lambda: server.serve_forever(poll_interval=0.02)):
                try:
                    yield self.url
                finally:
                    server.shutdown()

    def body(self, path: str, accept: str) -> tuple[str, bytes] | None:
        """Content type and body for a path, or None when there is nothing."""
        kind, _, rest = path.strip("/").partition("/")
        if kind == "files":
            name = rest.removesuffix(".metadata")
            for file in self.files:
                if file.filename == name:
                    return "application/octet-stream", file.metadata if rest != name else file.data
            return None
        if kind != "simple" or not rest:
            return None
        files = [file for file in self.files if canonicalize_name(file.name) == rest]
        if not files:
            return None
        if self.json and _JSON in accept:
            return _JSON, json.dumps(self._project(rest, files)).encode()
        return "text/html", self._page(files).encode()

    def _project(self, name: str, files: list[MadeFile]) -> dict[str, object]:
        return {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": sorted({file.version for file in files}),
            "files": [
                {
                    "filename": file.filename,
                    "url": f"../../files/{file.filename}",
                    "hashes": {"sha256": hex_of(file.digest)} if self.digests else {},
                    "size": len(file.data),
                    "yanked": file.filename in self.yanked,
                    **({"requires-python": file.requires_python} if file.requires_python else {}),
                    **({"core-metadata": {"sha256": hex_of(digest_of(file.metadata))}} if self._tells(file) else {}),
                }
                for file in files
            ],
        }

    def _page(self, files: list[MadeFile]) -> str:
        links = []
        for file in files:
            fragment = f"#sha256={hex_of(file.digest)}" if self.digests else ""
            attributes = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
            if self._tells(file):
                attributes += f' data-core-metadata="sha256={hex_of(digest_of(file.metadata))}"'
            if file.filename in self.yanked:
                attributes += ' data-yanked=""'
            links.append(f'<a href="../../files/{file.filename}{fragment}"{attributes}>{file.filename}</a>')
        return "<!DOCTYPE html><html><body>\n" + "\n".join(links) + "\n</body></html>\n"

    def _tells(self, file: MadeFile) -> bool:
        return self.metadata and bool(file.metadata)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is in `PackageIndex.asked`."""

    def answer(self, index: PackageIndex, used: Counter[int]) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        index.asked.append(Asked(self.command, path, headers))
        fault = _fault(index, used, path)
        if fault == "drop":
            self.close_connection = True
            return
        if isinstance(fault, int):
            self._send(fault, b"", {"Retry-After": "0"} if fault in (429, 503) else {})
            return
        if index.login is not None and headers.get("authorization") != _basic(index.login):
            self._send(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        found = index.body(path, headers.get("accept", ""))
        if found is None:
            self._send(404, b"no such thing")
            return
        content_type, body = found
        tag = f'"{hex_of(digest_of(body))[:16]}"'
        common = {"Content-Type": content_type, "ETag": tag, "Cache-Control": "max-age=0"}
        status, start = 200, 0
        asked = headers.get("range", "")
        if index.ranges:
            common["Accept-Ranges"] = "bytes"
            if asked.startswith("bytes=") and headers.get("if-range", tag) == tag:
                status, start, stop = _range(asked, len(body))
                common["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
                body = body[start:stop]
        if fault == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        self._send(status, body, common, cut=fault == "cut")

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)


def _fault(index: PackageIndex, used: Counter[int], path: str) -> int | str | None:
    for number, fault in enumerate(index.faults):
        if path.endswith(fault.path) and used[number] < fault.times:
            used[number] += 1
            return fault.kind
    return None


def _range(text: str, size: int) -> tuple[int, int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return 206, max(0, size - int(last)), size
    return 206, min(int(first), size), min(int(last) + 1, size) if last else size


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + b64encode(":".join(login).encode()).decode()
