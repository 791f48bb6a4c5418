"""A blob's bytes from a registry, asked on for where they broke off."""

from collections.abc import Iterator

from imagewright.errors import IntegrityError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.store.registry.session import Session
from imagewright.transport import BrokeOff, Stream

BREAKS = 5  # in a row, each with less than `PROGRESS` bytes between
PROGRESS = 1 << 16


def download(session: Session, path: str, blob: Descriptor, *, accept: str, kind: str) -> Iterator[bytes]:
    """The bytes in chunks, none of them checked but for the length that the registry announces.

    Source: OCI distribution-spec v1.1, "Pulling blobs": a registry should take Range requests. One that does not sends
    the blob from its start, and what is known of it is passed over.

    Raises:
        NetworkError, CredentialsError: It is not there, or as `Session.stream` does; also when it breaks off again and again.
        IntegrityError: The registry announces another length.
    """
    position = breaks = 0
    while True:
        begun = position
        headers = {"accept": accept, **({"range": f"bytes={position}-"} if position else {})}
        try:
            with session.stream(path, headers=headers, ok=(200, 206, 404)) as answer:
                if answer.status == 404:
                    name = f"{session.registry}/{session.repository}"
                    raise NetworkError(f"{name} has no {kind} {blob.digest}", code="IW503")
                _check_length(answer, blob, position)
                for chunk in _from(answer, position):
                    position += len(chunk)
                    yield chunk
            if position >= blob.size:
                return
            raise BrokeOff(f"{answer.url} ended {blob.size - position} bytes early")
        except BrokeOff:
            breaks = 1 if position - begun >= PROGRESS else breaks + 1
            if breaks > BREAKS:
                raise
            session.transport.pause(breaks)


def _check_length(answer: Stream, blob: Descriptor, position: int) -> None:
    """Refuse what is not the blob before it is taken in. A length need not be announced."""
    expected = blob.size - position if answer.status == 206 else blob.size
    if (announced := answer.headers.get("content-length", str(expected))) != str(expected):
        raise IntegrityError(
            f"blob {blob.digest} has other bytes than its digest says",
            why=f"expected {expected} bytes, and {answer.url} announces {announced}",
        )


def _from(answer: Stream, position: int) -> Iterator[bytes]:
    """What of an answer comes after ``position``."""
    begins = position if answer.status == 206 else 0
    if answer.status == 206 and not answer.headers.get("content-range", "").startswith(f"bytes {position}-"):
        said = answer.headers.get("content-range", "")
        raise NetworkError(f"{answer.url} sent another part than was asked for", code="IW503", why=said)
    for chunk in answer.chunks():
        skip = min(position - begins, len(chunk))
        begins += skip
        if skip < len(chunk):
            yield chunk[skip:] if skip else chunk
