"""A repository of a registry, as a store."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from imagewright.errors import CredentialsError, IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest, digest_of, parse_digest
from imagewright.oci.manifest import MAX_BYTES
from imagewright.store.contents import is_manifest
from imagewright.store.registry.logins import Anonymous, Credentials
from imagewright.store.registry.refusal import Aim, quoted
from imagewright.store.registry.session import Session
from imagewright.store.verify import DamagedInTransit, verified
from imagewright.transport import AnswerError, Response, Transport

if TYPE_CHECKING:
    from imagewright.store.registry.upload import Growing

WHOLE_BYTES = 4 << 20  # what is no larger is had whole before it is handed on, and asked for again when it is damaged
MANIFEST_TRIES = 2

_ACCEPT = ", ".join(sorted(media_types.MANIFESTS) + sorted(media_types.INDEXES))
_MISSING = (b"BLOB_UNKNOWN", b"MANIFEST_INVALID", b"DIGEST_INVALID")


class Repository:
    """Holds blobs and tags at a registry. Safe to share between threads.

    A blob is sent once, and asked for once, however many threads push it: docker-registry 2.8.2 may answer
    DIGEST_INVALID at the manifest when one blob was sent twice at the same time. ``create`` makes a repository where a push
    does not; it says whether it did. Who ``only_pulls`` asks for no other right, not even where it might help later.
    A ``plain`` one is spoken to without TLS.
    Source: OCI distribution-spec v1.1.
    """

    def __init__(
        self,
        registry: str,
        repository: str,
        transport: Transport,
        credentials: Credentials | None = None,
        *,
        create: Callable[[str, str], bool] = lambda registry, repository: False,
        only_pulls: bool = False,
        plain: bool = False,
    ) -> None:
        self._session = Session(registry, repository, transport, credentials or Anonymous(), plain=plain)
        self._create = create
        self._aim: Aim = "pull from" if only_pulls else "push to"
        self.registry, self.repository = registry, repository
        self._name = f"{registry}/{repository}"
        self._lock = threading.Lock()
        self._turns: dict[Digest, threading.Lock] = {}
        self._present: set[Digest] = set()
        self._begun: dict[Digest, str] = {}
        self._mounts: bool | None = None
        self._manifests: dict[Digest, bytes] = {}

    def exists(self, blob: Descriptor) -> bool:
        """Whether the registry has the blob in this repository. One HEAD request, or none if it was just pushed."""
        with self._turn(blob.digest):
            return self._has(blob)

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked. What breaks off is asked on for, and what is small and damaged asked for again.

        Raises:
            DamagedInTransit: A large blob is damaged.
        """
        if blob.size > WHOLE_BYTES:
            try:
                yield from self._fetch(blob)
            except IntegrityError as error:
                raise DamagedInTransit(error.what, why=error.why) from error
            return
        try:
            data = b"".join(self._fetch(blob))
        except IntegrityError:
            data = b"".join(self._fetch(blob))
        yield data

    def push(self, blob: Descriptor, chunks: Iterable[bytes], *, ask: bool = True) -> None:
        """Take a blob in, unless it is there. What can be iterated more than once is sent again when a try fails.

        Without ``ask`` a blob that is not known to be there is sent without asking for it first.
        """
        with self._turn(blob.digest):
            begun = self._begun.pop(blob.digest, "")
            if blob.digest in self._present or (ask and not begun and self._has(blob)):
                return
            if is_manifest(blob):
                self._push_manifest(blob, b"".join(verified(blob, chunks, "what was to be pushed")), blob.digest)
            else:
                from imagewright.store.registry.upload import Upload  # a build that finds its image sends nothing

                create = partial(self._create, self.registry, self.repository)
                exists = partial(self._has, blob)
                Upload(self._session, blob, chunks, exists=exists, create=create).send(begun)
            self._present.add(blob.digest)

    def claim(self, manifest: Descriptor, blobs: Iterable[Descriptor]) -> bool:
        """Ask for a manifest; a repository that has it has the ``blobs`` that it names, which are then not asked for.

        Source: OCI distribution-spec v1.1: a registry keeps what its manifests name.
        """
        if not self.exists(manifest):
            return False
        self._present.update(blob.digest for blob in blobs)
        return True

    def upload_unknown(self, content: "Growing", blob: Callable[[], Descriptor]) -> None:
        """Send bytes while they are made; ``blob``, asked at their end, says what they are. One try.

        Raises:
            NetworkError, CredentialsError: They did not arrive.
        """
        from imagewright.store.registry.upload import finish_unknown, send_unknown

        location = send_unknown(self._session, content)
        made = blob()
        with self._turn(made.digest):
            finish_unknown(self._session, location, made)
            self._present.add(made.digest)

    def mount(self, blob: Descriptor, source: "Repository") -> bool:
        """Let the registry take a blob over that `exists` says is not there; False when it does not do that.

        ``source`` is another repository of the same registry. The first time that a registry says that it did, it is asked whether the blob is there: some say so of blobs that
        they have not got, and nothing more is then mounted.
        Source: OCI distribution-spec v1.1, "Mounting a blob from another repository": a 202 began an upload instead,
        which the next `push` of the blob goes on with.
        """
        if source.registry != self.registry or source.repository == self.repository or self._mounts is False:
            return False
        with self._turn(blob.digest):
            if blob.digest in self._present:
                return True
            query = urlencode({"mount": blob.digest, "from": source.repository}, safe=":/")
            try:
                answer = self._session.request(
                    "push to",
                    "POST",
                    f"blobs/uploads/?{query}",
                    content=b"",
                    ok=(201, 202, 400, 404, 405),
                    reads=source.repository,
                )
            except CredentialsError:
                return False  # who may not read there may still send the bytes
            if answer.status == 202 and answer.headers.get("location"):
                self._begun[blob.digest] = answer.headers["location"]
            if answer.status != 201:
                return False
            if self._mounts is None:
                self._mounts = self._has(blob)
                return self._mounts
            self._present.add(blob.digest)
            return True

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

    def read(self, tag: str) -> tuple[Descriptor, bytes] | None:
        """The manifest that ``tag`` points to, or None when there is no such tag. One GET request.

        Raises:
            NetworkError, CredentialsError: The registry cannot tell.
        """
        answer = self._session.request(
            "pull from", "GET", f"manifests/{tag}", headers={"accept": _ACCEPT}, ok=(200, 404)
        )
        if answer.status == 404:
            return None
        if len(answer.body) > MAX_BYTES or (media_type := _media_type(answer)) is None:
            raise self._cannot_tell(f"{self._name}:{tag}", answer)
        found = Descriptor(media_type, digest_of(answer.body), len(answer.body))
        self._present.add(found.digest)
        return found, answer.body

    def ask_again(self, blob: Descriptor) -> bool:
        """`exists`, of what was taken for granted before."""
        with self._turn(blob.digest):
            self._present.discard(blob.digest)
            return self._has(blob)

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None) -> None:
        """Let ``tag`` point to a manifest: to ``content``, stored by this one request, or to one that is there."""
        if content is not None:
            try:
                self._push_manifest(manifest, b"".join(verified(manifest, [content], "what was to be pushed")), tag)
            except NetworkError:
                if self.resolve(tag) != manifest:  # else tags cannot be changed there, not even to what they are
                    raise
            self._present.add(manifest.digest)
            return
        if manifest.digest not in self._manifests and self.resolve(tag) == manifest:
            return  # it was there before, and so was its tag
        data = self._manifests.get(manifest.digest) or b"".join(self.fetch(manifest))
        self._push_manifest(manifest, data, tag)

    def tags(self) -> tuple[str, ...]:
        """The tags of the repository, none when there is no such repository. A GET request for each thousand of them.

        Source: OCI distribution-spec v1.1, "Listing Tags".

        Raises:
            CredentialsError, NetworkError: It cannot tell.
        """
        from imagewright.store.registry.listing import list_tags  # few commands list anything

        return list_tags(self._session, self._name)

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
        from imagewright.store.registry.listing import list_referrers

        return list_referrers(self._session, self._name, subject)

    def _fetch(self, blob: Descriptor) -> Iterator[bytes]:
        from imagewright.store.registry.download import download  # a build that finds its image fetches nothing

        accept = blob.media_type if is_manifest(blob) else "*/*"
        pieces = download(self._session, _path(blob), blob, accept=accept, kind=_kind(blob))
        return verified(blob, pieces, f"{self._name}")

    def _has(self, blob: Descriptor) -> bool:
        if blob.digest in self._present:
            return True
        headers = {"accept": blob.media_type} if is_manifest(blob) else {}
        try:
            answer = self._session.request(self._aim, "HEAD", _path(blob), headers=headers, ok=(200, 404))
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

    def _push_manifest(self, manifest: Descriptor, data: bytes, name: str) -> Response:
        """Store a manifest under its digest or a tag, byte for byte, which the registry's answer has to confirm."""
        headers = {"content-type": manifest.media_type}
        for remaining in reversed(range(MANIFEST_TRIES)):
            try:
                answer = self._session.request(
                    "push to", "PUT", f"manifests/{name}", headers=headers, content=data, ok=(201, 204)
                )
            except AnswerError as error:
                if remaining and b"DIGEST_INVALID" in error.response.body and name == manifest.digest:
                    continue  # what was sent has this digest: it was damaged on its way
                if any(code in error.response.body for code in _MISSING):
                    self._present.clear()  # what is remembered may be wrong: the next push asks again
                what = f"{self._name} does not take the manifest {manifest.digest}"
                said = quoted(error.response) or (f"it answered {error.response.status}",)
                raise NetworkError(what, code="IW503", why=said) from error
            # A tag takes whatever arrives; under a digest the registry has checked it.
            stored = answer.headers.get("docker-content-digest", manifest.digest if name == manifest.digest else "")
            stored = stored or getattr(self.resolve(name), "digest", "")
            if stored == manifest.digest:
                self._manifests[manifest.digest] = data
                return answer
        raise IntegrityError(
            f"{self._name} has stored another manifest than was sent", why=f"{stored or 'none'}, not {manifest.digest}"
        )

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
