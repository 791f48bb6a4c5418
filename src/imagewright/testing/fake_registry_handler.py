"""How a registry in memory answers requests."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from imagewright.testing.fake_registry_contents import BASIC, IDENTITY_TOKEN, Contents

_INDEX = "application/vnd.oci.image.index.v1+json"
_Answer = tuple[int, Mapping[str, str], bytes]


class Handler(BaseHTTPRequestHandler):
    """Speaks as ``state`` has it: the distribution spec's requests, and a token server's."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer of two writes takes 40 ms
    state: Contents

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def do_GET(self) -> None:
        """Answer, whatever the method is."""
        self._answer()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_GET

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
            known = given == BASIC
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
            return 202, {"Location": f"{here}{name}?{state.upload_state}"}, b""
        kept = state.uploads.get(name)
        if kept is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        status = {"Location": f"{here}?{state.upload_state}", "Range": f"0-{max(len(kept) - 1, 0)}"}
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
            given = BASIC if refresh[0] == IDENTITY_TOKEN else refresh[0]
        if given and given != BASIC:
            return _error(401, "UNAUTHORIZED", "wrong user or password")
        rights: set[str] = set()
        for scope in " ".join(asked.get("scope", [])).split():
            _, repository, actions = scope.split(":")
            for right in actions.split(","):
                who = state.reads if right == "pull" else state.writes
                if who == "anyone" or given == BASIC:
                    rights.add(f"{repository}:{right}")
        token = uuid.uuid4().hex
        state.tokens[token] = frozenset(rights)
        document: dict[str, Any] = {"token": token}
        if state.expires_in is not None:
            document["expires_in"] = state.expires_in
        return 200, {}, json.dumps(document).encode()


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> _Answer:
    return status, dict(headers or {}), json.dumps({"errors": [{"code": code, "message": message}]}).encode()
