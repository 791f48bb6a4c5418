"""A Debian archive of packages made here, signed and served on this machine, for images whose apt asks it."""

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pysequoia
import pytest

from imagewright.build.inputs import APT
from imagewright.errors import ImagewrightError
from imagewright.packages.deb.mirror import apt_sources, mirrors_of
from imagewright.transport import AnswerError, Transport


@dataclass
class LocalArchive:
    """``folder`` is what is served at ``address``. ``key`` is the public key, as apt takes it."""

    folder: Path
    address: str
    stanzas: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = pysequoia.Tsk.generate(user_id="Local <local@example.com>")

    @property
    def key(self) -> bytes:
        return bytes(self._key.extract_certificate())

    def add(
        self,
        name: str,
        version: str = "1",
        *,
        files: Mapping[str, str | bytes] | None = None,
        scripts: Mapping[str, str] | None = None,
        **fields: str,
    ) -> None:
        """A package with files (path -> text) and control files."""
        control = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "A <a@example.com>"}
        control |= {key.replace("_", "-"): value for key, value in fields.items()}
        text = "".join(f"{key}: {value}\n" for key, value in control.items()) + "Description: made for a test\n"
        members = {"debian-binary": b"2.0\n"}
        members["control.tar.gz"] = gzip.compress(_tar({"control": text, **(scripts or {})}, mode=0o755))
        members["data.tar.gz"] = gzip.compress(_tar(files or {}))
        data = b"!<arch>\n" + b"".join(
            f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
            for part, content in members.items()
        )
        path = f"pool/{name}_{version.replace(':', '%3a')}_amd64.deb"
        (self.folder / "pool").mkdir(exist_ok=True)
        (self.folder / path).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        self.stanzas.append(f"{text}Filename: {path}\nSize: {len(data)}\nSHA256: {digest}\n")

    def publish(self, suite: str = "stable") -> None:
        """Write and sign the suite of all packages that were added until now."""
        folder = self.folder / "dists" / suite
        (folder / "main/binary-amd64").mkdir(parents=True, exist_ok=True)
        packages = "\n".join(self.stanzas).encode()
        (folder / "main/binary-amd64/Packages").write_bytes(packages)
        release = (
            f"Origin: Local\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} main/binary-amd64/Packages\n"
        )
        signed = pysequoia.sign(self._key.signer(), release.encode(), mode=pysequoia.SignatureMode.CLEAR)
        (folder / "InRelease").write_bytes(bytes(signed))


@contextmanager
def local_archive(folder: Path) -> Iterator[LocalArchive]:
    """An empty archive on a free port, while the body runs."""
    folder.mkdir(parents=True, exist_ok=True)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield LocalArchive(folder, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def snapshots(moment: str) -> Iterator[tuple[str, list[str]]]:
    """A server laid out as Debian's snapshots, which has what the mirror has now: its address, and the paths it was asked for."""
    try:
        mirrors = mirrors_of(apt_sources(APT))
    except ImagewrightError as error:
        pytest.skip(str(error))
    asked: list[str] = []
    transport = Transport()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            _, first, archive, when, path = self.path.split("/", 4)
            try:
                assert (first, when) == ("archive", moment)
                body = transport.request("GET", mirrors.url(f"deb:{archive}/{path}"), limit=1 << 28).body
            except AnswerError as error:
                self.send_error(error.response.status)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/archive", asked
        finally:
            server.shutdown()
            thread.join()
    transport.close()


def _tar(files: Mapping[str, str | bytes], *, mode: int = 0o644) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        for path, content in files.items():
            for folder in _folders(path):
                if folder not in made:
                    made.add(folder)
                    info = tarfile.TarInfo(f"./{folder}")
                    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
                    tar.addfile(info)
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"./{path}")
            info.size, info.mode, info.mtime = len(data), mode | (0o111 if "bin/" in path else 0), 1_700_000_000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _folders(path: str) -> Sequence[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]
