"""A repository of a registry, as a store."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from imagewright.errors import CredentialsError, IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest, digest_of, parse_digest
from imagewright.oci.index import Index
from imagewright.oci.manifest import MAX_BYTES
from imagewright.store.contents import is_manifest
from imagewright.store.registry.keychain import Anonymous, Credentials
from imagewright.store.registry.session import Session, quoted
from imagewright.store.verify import verified
from imagewright.transport import AnswerError, Response, Transport

UPLOAD_TRIES = 3

_ACCEPT = ", ".join(sorted(media_types.MANIFESTS) + sorted(media_types.INDEXES))
_MISSING = (b"BLOB_UNKNOWN", b"MANIFEST_INVALID", b"DIGEST_INVALID")


class Repository:
    """Holds blobs and tags at a registry. Safe to share between threads.

    A blob is sent once, and asked for once, however many threads push it: docker-registry 2.8.2 may answer
    DIGEST_INVALID at the manifest when one blob was sent twice at the same time.
    Source: OCI distribution-spec v1.1.
    """

    def __init__(
        self, registry: str, repository: str, transport: Transport, credentials: Credentials | None = None
    ) -> None:
        self._session = Session(registry, repository, transport, credentials or Anonymous())
        self.registry, self.repository = registry, repository
        self._name = f"{registry}/{repository}"
        self._lock = threading.Lock()
        self._turns: dict[Digest, threading.Lock] = {}
        self._present: set[Digest] = set()
        self._manifests: dict[Digest, bytes] = {}

    def exists(self, blob: Descriptor) -> bool:
        """Whether the registry has the blob in this repository. One HEAD request, or none if it was just pushed."""
        with self._turn(blob.digest):
            return self._has(blob)

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked."""
        headers = {"accept": blob.media_type if is_manifest(blob) else "*/*"}
        with self._session.stream(_path(blob), headers=headers, ok=(200, 404)) as answer:
            if answer.status == 404:
                raise NetworkError(f"{self._name} has no {_kind(blob)} {blob.digest}", code="IW503")
            yield from verified(blob, answer.chunks(), answer.url)

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Take a blob in, unless it is there. What can be iterated more than once is sent again when a try fails."""
        with self._turn(blob.digest):
            if self._has(blob):
                return
            if is_manifest(blob):
                self._push_manifest(blob, b"".join(verified(blob, chunks, "what was to be pushed")), blob.digest)
            else:
                self._upload(blob, chunks)
            self._present.add(blob.digest)

    def mount(self, blob: Descriptor, source: "Repository") -> bool:
        """Let the registry take a blob over from another repository of its own; False when it does not do that.

        Source: OCI distribution-spec v1.1, "Mounting a blob from another repository": a 202 began an upload instead.
        It is left to the registry, which forgets uploads that nothing is sent for.
        """
        if source.registry != self.registry or source.repository == self.repository:
            return False
        with self._turn(blob.digest):
            if self._has(blob):
                return True
            query = urlencode({"mount": blob.digest, "from": source.repository}, safe=":/")
            try:
                answer = self._session.request(
                    "push to", "POST", f"blobs/uploads/?{query}", content=b"", ok=(201, 202, 400, 404, 405)
                )
            except CredentialsError:
                return False  # who may not read there may still send the bytes
            if answer.status == 201:
                self._present.add(blob.digest)
            return answer.status == 201

    def resolve(self, tag: str) -> Descriptor | None:
        """What ``tag`` points to, or None when the registry says that there is no such tag. One HEAD request.

        Raises:
            CredentialsError: It wants a login (IW401) or refuses (IW403).
            NetworkError: It does not answer (IW501, IW502), or not so that one could tell (IW504).
        """
        # Harbor answers 500 for a repository that it does not know, and some registries know no HEAD: then GET tells.
        path, headers = f"manifests/{tag}", {"accept": _ACCEPT}
        try:
            answer = self._session.request("pull from", "HEAD", path, headers=headers, ok=(200, 404, 405, 500))
            if answer.status == 200 and (found := _announced(answer)) is not None:
                return found
            if answer.status != 404:
                answer = self._session.request("pull from", "GET", path, headers=headers, ok=(200, 404))
        except AnswerError as error:
            raise self._cannot_tell(f"{self._name}:{tag}", error.response) from error
        if answer.status == 404:
            return None
        if len(answer.body) > MAX_BYTES or (media_type := _media_type(answer)) is None:
            raise self._cannot_tell(f"{self._name}:{tag}", answer)
        return Descriptor(media_type, digest_of(answer.body), len(answer.body))

    def tag(self, manifest: Descriptor, tag: str) -> None:
        """Let ``tag`` point to a manifest that is in the repository."""
        if manifest.digest not in self._manifests and self.resolve(tag) == manifest:
            return  # it was there before, and so was its tag
        data = self._manifests.get(manifest.digest) or b"".join(self.fetch(manifest))
        self._push_manifest(manifest, data, tag)

    def push_referrer(self, manifest: Descriptor, data: bytes) -> bool:
        """Store a manifest that names a subject; False when the registry will not list it (`referrers.attach` then does).

        Source: OCI distribution-spec v1.1, "Pushing Manifests with Subject": OCI-Subject says that it will.
        """
        with self._turn(manifest.digest):
            return "oci-subject" in self._push_manifest(manifest, data, manifest.digest).headers

    def listed_referrers(self, subject: Descriptor) -> tuple[Descriptor, ...] | None:
        """What the registry lists as belonging to a manifest, or None when it keeps no such list. One GET request.

        Raises:
            IntegrityError: The list is not one.
        """
        headers = {"accept": media_types.IMAGE_INDEX}
        answer = self._session.request(
            "pull from", "GET", f"referrers/{subject.digest}", headers=headers, ok=(200, 400, 404, 405)
        )
        if answer.status != 200 or _media_type(answer) != media_types.IMAGE_INDEX:
            return None
        try:
            return tuple(Index.parse(answer.body, media_type=media_types.IMAGE_INDEX).manifests)
        except ValueError as error:
            raise IntegrityError(f"{self._name} lists no referrers of {subject.digest}", why=str(error)) from error

    def _has(self, blob: Descriptor) -> bool:
        if blob.digest in self._present:
            return True
        headers = {"accept": blob.media_type} if is_manifest(blob) else {}
        try:
            answer = self._session.request("push to", "HEAD", _path(blob), headers=headers, ok=(200, 404))
        except AnswerError as error:
            raise self._cannot_tell(f"{_kind(blob)} {blob.digest} in {self._name}", error.response) from error
        if answer.status == 404:
            return False
        length = answer.headers.get("content-length", str(blob.size))
        if length != str(blob.size) and length != "0":  # some leave it out of a HEAD, or say 0
            what = f"{self._name} has a {_kind(blob)} {blob.digest} of another size"
            raise IntegrityError(what, why=f"expected {blob.size} bytes, it says {length}")
        self._present.add(blob.digest)
        return True

    def _upload(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Send a blob in one piece, as a stream. After a lost answer the blob is asked for before it is sent again."""
        once, opened = iter(chunks) is chunks, False

        def content() -> Iterator[bytes]:
            nonlocal opened
            if once and opened:
                raise NetworkError(f"{self._name} wants blob {blob.digest} again, and it can be read only once")
            opened = True
            return verified(blob, chunks, "what was to be pushed")

        for remaining in reversed(range(UPLOAD_TRIES)):
            try:
                started = self._session.request("push to", "POST", "blobs/uploads/", content=b"", ok=(201, 202))
                location = started.headers.get("location", "")
                if not location:
                    raise AnswerError(f"{self._name} began an upload without saying where", started)
                joint = "&" if "?" in location else "?"
                self._session.request(
                    "push to",
                    "PUT",
                    f"{location}{joint}digest={blob.digest}",
                    headers={"content-type": "application/octet-stream", "content-length": str(blob.size)},
                    content=content,
                    ok=(201, 204),
                    repeat=False,
                )
                return
            except NetworkError as error:
                if not _may_pass(error):
                    raise
                if self._has(blob):
                    return  # the answer was lost, not the blob
                if once or not remaining:
                    raise

    def _push_manifest(self, manifest: Descriptor, data: bytes, name: str) -> Response:
        """Store a manifest under its digest or a tag."""
        headers = {"content-type": manifest.media_type}
        try:
            answer = self._session.request(
                "push to", "PUT", f"manifests/{name}", headers=headers, content=data, ok=(201, 204)
            )
        except AnswerError as error:
            if any(code in error.response.body for code in _MISSING):
                self._present.clear()  # what is remembered may be wrong: the next push asks again
            what = f"{self._name} does not take the manifest {manifest.digest}"
            said = quoted(error.response) or (f"it answered {error.response.status}",)
            raise NetworkError(what, code="IW503", why=said) from error
        self._manifests[manifest.digest] = data
        return answer

    def _cannot_tell(self, thing: str, answer: Response) -> NetworkError:
        what = f"the registry cannot tell whether there is {thing}"
        why = (f"it answered {answer.status} to a request for {answer.url}", *quoted(answer))
        return NetworkError(what, code="IW504", why=why)

    @contextmanager
    def _turn(self, digest: Digest) -> Iterator[None]:
        """Alone with this digest."""
        with self._lock:
            turn = self._turns.setdefault(digest, threading.Lock())
        with turn:
            yield


def _path(blob: Descriptor) -> str:
    return f"{'manifests' if is_manifest(blob) else 'blobs'}/{blob.digest}"


def _kind(blob: Descriptor) -> str:
    return "manifest" if is_manifest(blob) else "blob"


def _may_pass(error: NetworkError) -> bool:
    """Whether another try of an upload is of use: no answer, an error of the server, or an upload that it forgot."""
    if isinstance(error, AnswerError):
        return error.response.status >= 500 or error.response.status == 404
    return error.code == "IW502"


def _media_type(answer: Response) -> str | None:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
    return media_type if media_type in media_types.MANIFESTS | media_types.INDEXES else None


def _announced(answer: Response) -> Descriptor | None:
    """What the headers of a HEAD say of a manifest, when they say all of it."""
    try:
        digest = parse_digest(answer.headers.get("docker-content-digest", ""))
        size = int(answer.headers.get("content-length", ""))
    except ValueError:
        return None
    media_type = _media_type(answer)
    return Descriptor(media_type, digest, size) if media_type is not None else None
