"""A registry in this process, in memory, with switches for what registries in use do differently."""

import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs

from imagewright.dataclass import dataclass

USERNAME, PASSWORD, IDENTITY_TOKEN = "alice", "wonderland", "alices-token"
_BASIC = "Basic YWxpY2U6d29uZGVybGFuZA=="

_INDEX = "application/vnd.oci.image.index.v1+json"
_Answer = tuple[int, Mapping[str, str], bytes]


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

    ``auth`` is "", "basic", or "bearer" with a token server of its own at ``/token``, whose tokens say that they are
    good for ``expires_in`` seconds. ``reads`` and ``writes`` say who may: "anyone", "user" or "nobody". The user is
    `USERNAME` with `PASSWORD`, or with `IDENTITY_TOKEN`.

    With ``separate`` a blob or manifest belongs to the repositories that it was pushed to or mounted in; else to all. ``mounts`` is
    "yes", "no" (202: an upload was begun instead) or "lies" (201, and nothing is there). Without ``ranges`` parts of
    blobs cannot be had, without ``resumes`` an upload that broke off is forgotten, without ``referrers`` there is no such
    page. ``most_bytes`` is the largest body that it takes, ``most_tags`` how many it lists at once. ``repositories``, if not None, are the only ones there are.
    """

    def __init__(
        self,
        *,
        auth: str = "",
        reads: str = "user",
        writes: str = "user",
        expires_in: int | None = None,
        separate: bool = False,
        mounts: Literal["yes", "no", "lies"] = "no",
        ranges: bool = True,
        resumes: bool = True,
        referrers: bool = True,
        most_bytes: int | None = None,
        repositories: set[str] | None = None,
        most_tags: int = 1000,
    ) -> None:
        self.auth, self.reads, self.writes, self.expires_in = auth, reads, writes, expires_in
        self.separate, self.mounts, self.ranges, self.resumes = separate, mounts, ranges, resumes
        self.referrers, self.most_bytes, self.repositories = referrers, most_bytes, repositories
        self.most_tags = most_tags
        self.fault: Callable[[str, str], Fault | None] = lambda method, path: None
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.asked_tokens: list[Mapping[str, list[str]]] = []
        self.blobs: dict[str, bytes] = {}
        self.links: set[tuple[str, str]] = set()
        self.uploads: dict[str, bytearray] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        self.place = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its ``host:port`` while the body runs."""
        registry = self

        class Handler(_Handler):
            state = registry

        with _Server(("127.0.0.1", 0), Handler) as server:
            self.place = f"127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self.place
            finally:
                server.shutdown()
                thread.join()

    def blob(self, repository: str, digest: str) -> bytes | None:
        """The bytes that ``repository`` has under a digest."""
        linked = not self.separate or (repository, digest) in self.links
        return self.blobs.get(digest) if linked else None

    def manifest(self, repository: str, name: str) -> tuple[str, bytes] | None:
        """The media type and bytes of a manifest that ``repository`` has under a tag or a digest."""
        return self.manifests.get(self.key(repository, name))

    def key(self, repository: str, name: str) -> str:
        """What a manifest is kept under."""
        return f"{repository}/{name}" if self.separate else name

    def keep(self, repository: str, data: bytes) -> str:
        """Have a blob in ``repository``; its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        self.links.add((repository, digest))
        return digest

    def referrers_of(self, repository: str, subject: str) -> list[dict[str, Any]]:
        """The descriptors of the manifests that name ``subject`` as theirs."""
        found = []
        for key, (media_type, data) in self.manifests.items():
            document, name = json.loads(data), key.rpartition("/")[2]
            if (
                key == self.key(repository, name)
                and name.startswith("sha256:")
                and (document.get("subject") or {}).get("digest") == subject
            ):
                kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType", "")
                found.append({"mediaType": media_type, "digest": name, "size": len(data), "artifactType": kind})
        return found


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer of two writes takes 40 ms
    state: FakeRegistry

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state = self.state
        if self.headers.get("Transfer-Encoding") == "chunked":
            body, whole = self._read_chunks()
            length = len(body) + (not whole)
        else:
            length = int(self.headers.get("Content-Length", "0"))
            body = self._read(length)
        state.requests.append((self.command, self.path))
        state.authorizations.append(self.headers.get("Authorization", ""))
        if len(body) < length:
            self._broke_off(body)
            return
        fault = state.fault(self.command, self.path)
        if fault is not None and not fault.after:
            answer: _Answer = (fault.status, dict(fault.headers), fault.body)
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

    def _read(self, length: int) -> bytes:
        try:
            return self.rfile.read(length)
        except ConnectionError:
            return b""

    def _read_chunks(self) -> tuple[bytes, bool]:
        """A body whose length comes piece by piece, and whether its end came. Source: RFC 9112, section 7.1."""
        body = b""
        while size := int(self.rfile.readline() or b"0", 16):
            body += self._read(size)
            if self.rfile.readline() != b"\r\n":
                return body, False
        return body, self.rfile.readline() == b"\r\n"

    def _broke_off(self, body: bytes) -> None:
        """What came of an upload's body stays, where it may be gone on with."""
        self.close_connection = True
        upload = self.path.partition("?")[0].rpartition("/")[2]
        if upload in self.state.uploads and not self._allowed():
            if self.state.resumes:
                self.state.uploads[upload] += body
            else:
                del self.state.uploads[upload]

    def _repository(self) -> str:
        match = re.fullmatch(r"/v2/(.+?)/(?:blobs|manifests|referrers|tags)/.*", self.path.partition("?")[0])
        return match[1] if match else ""

    def _allowed(self) -> _Answer | None:
        """A refusal, or None."""
        state = self.state
        if not state.auth or self.path.startswith("/token"):
            return None
        reading = self.command in ("GET", "HEAD") and "/uploads/" not in self.path
        right = "pull" if reading else "push"
        given, repository = self.headers.get("Authorization", ""), self._repository()
        if state.auth == "bearer":
            rights = state.tokens.get(given.removeprefix("Bearer "))
            known = rights is not None and (not repository or f"{repository}:{right}" in rights)
            scope = f'scope="repository:{repository}:{"pull" if reading else "pull,push"}"' if repository else ""
            want = ",".join(filter(None, (f'Bearer realm="http://{state.place}/token",service="fake"', scope)))
        else:
            known = given == _BASIC
            want = 'Basic realm="tests"'
        who = state.reads if reading else state.writes
        if not known:
            return _error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": want})
        return _error(403, "DENIED", "permission_denied: write_package") if who == "nobody" else None

    def _route(self, body: bytes) -> _Answer:
        path, _, text = self.path.partition("?")
        query = parse_qs(text)
        if path == "/token":
            return self._token(parse_qs(text or body.decode()))
        if path in ("/v2/", "/v2"):
            return 200, {}, b"{}"
        if path.endswith("/tags/list"):
            return self._tags(path.removeprefix("/v2/").removesuffix("/tags/list"), query)
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers)/([^/]*)", path)
        if match is None:
            return _error(404, "UNSUPPORTED", "no such page")
        repository, kind, name = match.groups()
        if self.state.repositories is not None and repository not in self.state.repositories:
            return _error(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")
        if self.state.most_bytes is not None and len(body) > self.state.most_bytes:
            return 413, {}, b"<html>413 Request Entity Too Large</html>"
        if kind == "manifests":
            return self._manifest(repository, name, body)
        if kind == "referrers":
            if not self.state.referrers:
                return _error(404, "UNSUPPORTED", "no such page")
            document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": self.state.referrers_of(repository, name)}
            return 200, {"Content-Type": _INDEX}, json.dumps(document).encode()
        return self._blob(repository, name) if kind == "blobs" else self._upload(repository, name, query, body)

    def _blob(self, repository: str, digest: str) -> _Answer:
        data = self.state.blob(repository, digest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN", "no such blob")
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or not self.state.ranges:
            return 200, {}, data
        start = int(asked[1])
        if start >= len(data):
            return 416, {}, b""
        return 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]

    def _upload(self, repository: str, name: str, query: Mapping[str, list[str]], body: bytes) -> _Answer:
        state = self.state
        here = self.path.partition("?")[0]
        if self.command == "POST":
            if (mounted := query.get("mount", [""])[0]) and self._mounted(repository, mounted, query):
                return 201, {"Location": f"/v2/{repository}/blobs/{mounted}"}, b""
            name = str(uuid.uuid4())
            state.uploads[name] = bytearray()
            return 202, {"Location": f"{here}{name}?state=x"}, b""
        kept = state.uploads.get(name)
        if kept is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        status = {"Location": f"{here}?state=x", "Range": f"0-{max(len(kept) - 1, 0)}"}
        if self.command == "GET":
            return 204, status, b""
        begin = re.match(r"(?:bytes )?(\d+)-", self.headers.get("Content-Range", f"{len(kept)}-"))
        if begin is None or int(begin[1]) != len(kept):
            return 416, status, b""
        kept += body
        if self.command == "PATCH":
            return 202, {**status, "Range": f"0-{max(len(kept) - 1, 0)}"}, b""
        digest = query.get("digest", [""])[0]
        if digest != f"sha256:{hashlib.sha256(kept).hexdigest()}":
            return _error(400, "DIGEST_INVALID", "other bytes")
        del state.uploads[name]
        state.keep(repository, bytes(kept))
        return 201, {}, b""

    def _mounted(self, repository: str, digest: str, query: Mapping[str, list[str]]) -> bool:
        state, source = self.state, query.get("from", [""])[0]
        if state.mounts == "lies":
            return True
        rights = state.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), frozenset())
        readable = state.auth != "bearer" or f"{source}:pull" in rights
        data = state.blob(source, digest)
        if state.mounts == "no" or data is None or not readable:
            return False
        state.keep(repository, data)
        return True

    def _manifest(self, repository: str, name: str, body: bytes) -> _Answer:
        state = self.state
        if self.command == "PUT":
            try:
                document = json.loads(body)
                blobs = (document["config"], *document["layers"]) if "layers" in document else ()
                manifests = document.get("manifests", ())
                missing = [part["digest"] for part in blobs if state.blob(repository, part["digest"]) is None]
                missing += [part["digest"] for part in manifests if state.manifest(repository, part["digest"]) is None]
            except (ValueError, KeyError, TypeError):
                return _error(400, "MANIFEST_INVALID", "not a manifest")
            if missing:
                return _error(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {missing[0]}")
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            if name.startswith("sha256:") and name != digest:
                return _error(400, "DIGEST_INVALID", "other bytes")
            for key in (name, digest):
                state.manifests[state.key(repository, key)] = (self.headers["Content-Type"], body)
            subject = (document.get("subject") or {}).get("digest", "")
            told = {"OCI-Subject": subject} if subject and state.referrers else {}
            return 201, {"Docker-Content-Digest": digest, **told}, b""
        found = state.manifest(repository, name)
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN", "no such manifest")
        media_type, data = found
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return 200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data

    def _tags(self, repository: str, query: Mapping[str, list[str]]) -> _Answer:
        """Some of the tags, and where the next ones are."""
        tags = sorted(
            name
            for key in self.state.manifests
            if not (name := key.rpartition("/")[2]).startswith("sha256:") and key == self.state.key(repository, name)
        )
        if not tags:
            return _error(404, "NAME_UNKNOWN", "no such repository")
        rest = [tag for tag in tags if tag > query.get("last", [""])[0]]
        page = rest[: min(int(query.get("n", ["1000"])[0]), self.state.most_tags)]
        more = {"Link": f'</v2/{repository}/tags/list?n=1000&last={page[-1]}>; rel="next"'} if page != rest else {}
        return 200, more, json.dumps({"name": repository, "tags": page}).encode()

    def _token(self, asked: Mapping[str, list[str]]) -> _Answer:
        """A token for the rights that are asked for, in the query or, for an identity token, in a form."""
        state = self.state
        state.asked_tokens.append(asked)
        given = self.headers.get("Authorization", "")
        if refresh := asked.get("refresh_token"):
            given = _BASIC if refresh[0] == IDENTITY_TOKEN else refresh[0]
        if given and given != _BASIC:
            return _error(401, "UNAUTHORIZED", "wrong user or password")
        rights: set[str] = set()
        for scope in " ".join(asked.get("scope", [])).split():
            _, repository, actions = scope.split(":")
            for right in actions.split(","):
                who = state.reads if right == "pull" else state.writes
                if who == "anyone" or given == _BASIC:
                    rights.add(f"{repository}:{right}")
        token = uuid.uuid4().hex
        state.tokens[token] = frozenset(rights)
        document: dict[str, Any] = {"token": token}
        if state.expires_in is not None:
            document["expires_in"] = state.expires_in
        return 200, {}, json.dumps(document).encode()


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> _Answer:
    return status, dict(headers or {}), json.dumps({"errors": [{"code": code, "message": message}]}).encode()
