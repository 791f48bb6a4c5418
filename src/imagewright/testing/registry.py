"""Registries on a free port of this machine, for tests: Debian's docker-registry, and one in this process."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from imagewright.dataclass import dataclass

START_SECONDS = 30

USERNAME, PASSWORD, IDENTITY_TOKEN = "alice", "wonderland", "alices-token"
# bcrypt, the only form that docker-registry takes
_HTPASSWD = "alice:$2b$04$Uy/Nvynh6Cr2zPjVdpAjU.R1rep1wFfB2En1CPlKNX5E6Ox3h51la\n"


def docker_registry_program() -> str | None:
    """The path of Debian's docker-registry, or None when it is not installed."""
    return shutil.which("docker-registry")


@contextmanager
def docker_registry(folder: Path, *, login: bool = False) -> Iterator[str]:
    """Debian's docker-registry with its storage in ``folder``: its ``host:port`` while the body runs.

    With ``login`` it wants `USERNAME` and `PASSWORD`.
    """
    program = docker_registry_program()
    if program is None:
        raise FileNotFoundError("docker-registry is not installed")
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "only for tests"},
    }
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={"PATH": os.environ.get("PATH", "")},
        )
    try:
        yield _listening(server, log)
    finally:
        server.kill()  # its storage is thrown away
        server.wait(START_SECONDS)


def _listening(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server says it listens on."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if (found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.01)
    raise RuntimeError(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer in place of the right one. With ``after`` the request is done and its answer lost."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: bool = False
    close: bool = False


class FakeRegistry:
    """A registry in this process, in memory. ``fault`` decides over each request; ``requests`` lists them.

    ``auth`` is "", "basic", or "bearer" with a token server of its own at ``/token``. ``reads`` and ``writes`` say who
    may: "anyone", "user" or "nobody". The user is `USERNAME` with `PASSWORD`, or with `IDENTITY_TOKEN`.
    """

    def __init__(self, *, auth: str = "", reads: str = "user", writes: str = "user") -> None:
        self.auth, self.reads, self.writes = auth, reads, writes
        self.fault: Callable[[str, str], Fault | None] = lambda method, path: None
        self.requests: list[tuple[str, str]] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tokens: dict[str, str] = {}
        self.place = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its ``host:port`` while the body runs."""
        registry = self

        class Handler(_Handler):
            state = registry

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.place = f"127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self.place
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: FakeRegistry

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state = self.state
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        state.requests.append((self.command, self.path))
        fault = state.fault(self.command, self.path)
        if fault is not None and not fault.after:
            answer = (fault.status, dict(fault.headers), fault.body)
        else:
            answer = self._allowed() or self._route(body)
        if fault is not None and (fault.close or fault.after):
            self.close_connection = True
            return
        status, headers, data = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _allowed(self) -> tuple[int, dict[str, str], bytes] | None:
        """A refusal, or None."""
        state = self.state
        if not state.auth or self.path.startswith("/token"):
            return None
        reading = self.command in ("GET", "HEAD")
        right = "pull" if reading else "push"
        given = self.headers.get("Authorization", "")
        if state.auth == "bearer":
            known = right in state.tokens.get(given.removeprefix("Bearer "), "")
            repository = self.path.removeprefix("/v2/").rsplit("/", 3 if "uploads" in self.path else 2)[0]
            scope = f"repository:{repository}:{'pull' if reading else 'pull,push'}"
            want = f'Bearer realm="http://{state.place}/token",service="fake",scope="{scope}"'
        else:
            known = given == _BASIC
            want = 'Basic realm="tests"'
        who = state.reads if reading else state.writes
        if not known:
            return _error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": want})
        return _error(403, "DENIED", "permission_denied: write_package") if who == "nobody" else None

    def _route(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        path, _, query = self.path.partition("?")
        if path == "/token":
            return self._token(query or body.decode())
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests)/([^/]*)", path)
        if match is None:
            return _error(404, "UNSUPPORTED", "no such page")
        _, kind, name = match.groups()
        if kind == "manifests":
            return self._manifest(name, body)
        if kind == "blobs":
            data = self.state.blobs.get(name)
            return _error(404, "BLOB_UNKNOWN", "no such blob") if data is None else (200, {}, data)
        if self.command == "POST":
            return 202, {"Location": f"{path}{uuid.uuid4()}?state=x"}, b""
        digest = query.rpartition("digest=")[2]
        if digest != f"sha256:{hashlib.sha256(body).hexdigest()}":
            return _error(400, "DIGEST_INVALID", "other bytes")
        self.state.blobs[digest] = body
        return 201, {}, b""

    def _manifest(self, name: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.command == "PUT":
            document = json.loads(body)
            for part in (document["config"], *document["layers"]):
                if part["digest"] not in self.state.blobs:
                    return _error(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {part['digest']}")
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.state.manifests[name] = self.state.manifests[digest] = (self.headers["Content-Type"], body)
            return 201, {"Docker-Content-Digest": digest}, b""
        if name not in self.state.manifests:
            return _error(404, "MANIFEST_UNKNOWN", "no such manifest")
        media_type, data = self.state.manifests[name]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data

    def _token(self, query: str) -> tuple[int, dict[str, str], bytes]:
        """A token for the rights that are asked for, in the query or, for an identity token, in a form."""
        asked = dict(parse_qsl(query))
        given = self.headers.get("Authorization", "")
        if "refresh_token" in asked:
            given = _BASIC if asked["refresh_token"] == IDENTITY_TOKEN else asked["refresh_token"]
        if given and given != _BASIC:
            return _error(401, "UNAUTHORIZED", "wrong user or password")
        scope = asked["scope"].rpartition(":")[2]
        rights = [
            right
            for right in ("pull", "push")
            if right in scope
            and ((self.state.reads if right == "pull" else self.state.writes) == "anyone" or given == _BASIC)
        ]
        token = uuid.uuid4().hex
        self.state.tokens[token] = ",".join(rights)
        return 200, {}, json.dumps({"token": token}).encode()


_BASIC = "Basic YWxpY2U6d29uZGVybGFuZA=="


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    return status, dict(headers or {}), json.dumps({"errors": [{"code": code, "message": message}]}).encode()
