"""How a blob gets into a repository: in one piece, on from where it broke off, or in pieces."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NoReturn, Protocol

from imagewright.errors import CredentialsError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.store.registry.session import Session
from imagewright.store.verify import verified
from imagewright.transport import AnswerError, Response

UPLOAD_TRIES = 4
RESUME_BYTES = 1 << 20  # what has come of a smaller blob is not worth a request
PIECE_BYTES = (16 << 20, 4 << 20, 1 << 20, 512 << 10)
"""Sizes of pieces for who takes no large bodies: nginx takes 1 MiB when nobody says else, Cloudflare 100 MB."""

GROWING_BYTES = (16 << 20, 64 << 20)
"""The least and the most that is sent at once of a blob in the making; the least only while there is no more. Of torch's 190 MB one
request left 0.11 s of syncing to the end, of 2.3 s in all."""

_DISTRIBUTION = "_state="
"""What distribution, docker's registry, has in the addresses of uploads."""

_OCTETS = {"content-type": "application/octet-stream"}


class Upload:
    """Sends one blob. ``exists`` asks the registry for it; ``create`` makes the repository, if the registry wants that.

    Source: OCI distribution-spec v1.1, "Pushing blobs".
    """

    def __init__(
        self,
        session: Session,
        blob: Descriptor,
        chunks: Iterable[bytes],
        *,
        exists: Callable[[], bool],
        create: Callable[[], bool],
    ) -> None:
        self._session, self._blob, self._chunks = session, blob, chunks
        self._exists, self._create = exists, create
        self._once, self._opened = iter(chunks) is chunks, False
        self._name = f"{session.registry}/{session.repository}"

    def send(self, begun: str = "") -> None:
        """Send it in one request, or as many as it takes. ``begun``: the address of an upload that was begun before.

        After a lost answer the blob is asked for before it is sent again. What can be read only once is sent once.

        Raises:
            NetworkError, CredentialsError: It did not arrive.
            IntegrityError: The chunks are not the blob's bytes.
        """
        pieces = False
        for tries in range(1, UPLOAD_TRIES + 1):
            location = ""
            try:
                if pieces:
                    self._send_pieces()
                else:
                    location, begun = begun or self._start(), ""
                    self._put(location, self._content(0), self._blob.size)
                return
            except NetworkError as error:
                if not location and not pieces:
                    raise  # it did not begin, and that was tried often enough
                if _status(error) == 413 and not pieces and not self._once:
                    pieces = True
                    continue
                if not _may_pass(error):
                    raise
                if self._exists():
                    return  # the answer was lost, not the blob
                if self._once or tries == UPLOAD_TRIES:
                    raise
                if error.code == "IW502" and not pieces and self._resumed(location):
                    return
                self._session.transport.pause(tries)

    def _start(self) -> str:
        """The address of a new upload."""
        for tries in range(2):
            try:
                answer = self._session.request("push to", "POST", "blobs/uploads/", content=b"", ok=(201, 202))
                return _location(self._session, answer)
            except AnswerError as error:
                if error.response.status != 404 or b"NAME_UNKNOWN" not in error.response.body:
                    raise
                if tries or not self._create():
                    raise _no_repository(self._session, error) from error
        raise AssertionError("one of the two tries has ended")

    def _content(self, skip: int) -> Callable[[], Iterator[bytes]]:
        """What opens the bytes from ``skip`` on; all of them are checked, those that are passed over as well."""

        def content() -> Iterator[bytes]:
            if self._once and self._opened:
                raise NetworkError(f"{self._name} wants blob {self._blob.digest} again, and it can be read only once")
            self._opened = True
            left = skip
            for chunk in verified(self._blob, self._chunks, "what was to be pushed"):
                if left >= len(chunk):
                    left -= len(chunk)
                else:
                    yield chunk[left:] if left else chunk
                    left = 0

        return content

    def _put(self, location: str, content: Callable[[], Iterator[bytes]], size: int, begin: int = 0) -> None:
        """Send the last piece, or the only one, and have the upload become the blob."""
        headers = {**_OCTETS, "content-length": str(size)}
        if begin:
            headers["content-range"] = f"{begin}-{begin + size - 1}"
        self._session.request(
            "push to",
            "PUT",
            _closing(location, self._blob),
            headers=headers,
            content=content,
            ok=(201, 204),
            repeat=False,
        )

    def _resumed(self, location: str) -> bool:
        """Go on with an upload that broke off; False when the registry has forgotten it, or not got enough of it."""
        if self._blob.size < 2 * RESUME_BYTES:
            return False
        try:
            location, position = self._position(location)
            if not RESUME_BYTES <= position <= self._blob.size:
                return False
            self._put(location, self._content(position), self._blob.size - position, position)
        except NetworkError as error:
            if error.code == "IW501":
                raise
            return False
        return True

    def _position(self, location: str) -> tuple[str, int]:
        """Where an upload is, and how many bytes of it have arrived. One GET request."""
        answer = self._session.request("push to", "GET", location, ok=(204,))
        match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("range", ""))
        # "0-0" is one byte, or none: not every registry says the difference.
        return answer.headers.get("location") or location, int(match[1]) + 1 if match and match[1] != "0" else 0

    def _send_pieces(self) -> None:
        """Send it in pieces, which become smaller until the registry, or a proxy before it, takes them."""
        for size in PIECE_BYTES:
            location, position = self._start(), 0
            try:
                for piece in _pieces(self._content(0)(), size):
                    if position + len(piece) == self._blob.size:
                        self._put(location, lambda piece=piece: iter([piece]), len(piece), position)  # type: ignore[misc]
                        return
                    location, position = self._patch(location, piece, position)
                self._put(location, lambda: iter(()), 0)
                return
            except AnswerError as error:
                if error.response.status != 413:
                    raise
                refused = error
        _too_small(self._name, refused)

    def _patch(self, location: str, piece: bytes, position: int) -> tuple[str, int]:
        """Send one piece, and again what of it got lost; the next one's address and position."""
        end = position + len(piece)
        for remaining in reversed(range(UPLOAD_TRIES)):
            rest = piece[len(piece) - (end - position) :]
            headers = {**_OCTETS, "content-range": f"{position}-{end - 1}"}
            try:
                answer = self._session.request(
                    "push to", "PATCH", location, headers=headers, content=rest, ok=(202,), repeat=False
                )
                return _location(self._session, answer), end
            except NetworkError as error:
                if not remaining or not _may_pass(error):
                    raise
                location, arrived = self._position(location)
                if not position <= arrived <= end:
                    raise
                position = arrived
                if position == end:
                    return location, end
        raise AssertionError("the last try has ended")


class Growing(Protocol):
    """Bytes in the making, which a file takes."""

    def wait(self, position: int, least: int) -> int:
        """Wait until ``least`` bytes from ``position`` on are there, or all there will be; how many are there."""
        ...

    def read(self, position: int, size: int | None) -> Iterator[bytes]:
        """The ``size`` bytes from ``position`` on, which are there; without a size all there will ever be."""
        ...


def send_unknown(session: Session, content: Growing) -> str:
    """Begin an upload and send bytes, however many there will be; the address that `finish_unknown` wants.

    docker's own registry, and what is made of it (Harbor, GitLab), syncs what a request brought to the disk before it answers: it gets
    pieces, so that it has little left to sync when the last byte arrives. Others get all in one request whose end is not known
    when it begins, as docker sends its layers: not all of them take pieces.
    """
    answer = session.request("push to", "POST", "blobs/uploads/", content=b"", ok=(201, 202))
    location = _location(session, answer)
    if _DISTRIBUTION not in location:
        return _sent_on(session, location, lambda: content.read(0, None), {})
    position = 0
    while size := min(content.wait(position, GROWING_BYTES[0]), GROWING_BYTES[1]):
        headers = {"content-length": str(size), "content-range": f"{position}-{position + size - 1}"}
        location = _sent_on(session, location, partial(content.read, position, size), headers)
        position += size
    return location


def _sent_on(
    session: Session, location: str, content: Callable[[], Iterator[bytes]], headers: Mapping[str, str]
) -> str:
    answer = session.request(
        "push to",
        "PATCH",
        location,
        headers={**_OCTETS, **headers},
        content=content,
        ok=(201, 202, 204),
        repeat=False,
    )
    return _location(session, answer)


def finish_unknown(session: Session, location: str, blob: Descriptor) -> None:
    """Say what the bytes are that were sent, which the registry checks."""
    session.request("push to", "PUT", _closing(location, blob), content=b"", ok=(201, 204), repeat=False)


def _location(session: Session, answer: Response) -> str:
    location = answer.headers.get("location", "")
    if not location:
        raise AnswerError(f"{session.registry}/{session.repository} began an upload without saying where", answer)
    # It may be relative to the request (RFC 9110, section 10.2.2).
    return location if location.startswith("/") or "://" in location else f"blobs/uploads/{location}"


def _closing(location: str, blob: Descriptor) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        while len(kept) >= size:
            yield bytes(kept[:size])
            del kept[:size]
    if kept:
        yield bytes(kept)


def _status(error: NetworkError) -> int:
    return error.response.status if isinstance(error, AnswerError) else 0


def _may_pass(error: NetworkError) -> bool:
    """Whether another try of an upload is of use: no answer, an error of the server, an upload that it forgot, or damage
    on the way (what is sent was checked here)."""
    if isinstance(error, AnswerError):
        status, body = error.response.status, error.response.body
        return (
            status >= 500
            or status in (404, 416)
            or (status == 400 and (b"DIGEST_INVALID" in body or b"SIZE_INV" in body))
        )
    return error.code == "IW502"


def _no_repository(session: Session, error: AnswerError) -> CredentialsError:
    return CredentialsError(
        f"{session.registry} has no repository {session.repository}, and a push does not make one there",
        code="IW403",
        why=tuple(error.why[-1:]),
        fix="make it with the registry's own tools, or push to one that is there",
    )


def _too_small(name: str, error: AnswerError) -> NoReturn:
    error.what = f"{name} takes no body of {PIECE_BYTES[-1] >> 10} KiB"
    error.fix = ("let the registry, or the proxy before it, take more: nginx calls it client_max_body_size",)
    raise error
