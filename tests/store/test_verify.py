"""What comes out of a store was checked there, and is not hashed a second time; all else is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from imagewright.errors import IntegrityError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.verify import Fetched, verified

DATA = b"hello"
BLOB = Descriptor("application/octet-stream", digest_of(DATA), len(DATA))


class Source:
    """Says of other bytes that they are the blob's, which no store does."""

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        return iter([b"other", b" bytes"])


@pytest.mark.parametrize("chunks", [[b"hell", b"p"], [b"hell"], [b"hello", b"!"]])
def test_other_bytes_are_refused(chunks: list[bytes]) -> None:
    """Changed, too few and too many."""
    with pytest.raises(IntegrityError):
        list(verified(BLOB, chunks, "a test"))


def test_the_blobs_own_bytes_pass() -> None:
    """Chunk by chunk, as they come."""
    assert list(verified(BLOB, [b"hel", b"lo"], "a test")) == [b"hel", b"lo"]


def test_what_a_source_has_checked_is_not_checked_again() -> None:
    """For the blob that it was asked for; as bytes of any other blob it is hashed."""
    fetched = Fetched(Source(), BLOB)

    assert list(verified(BLOB, fetched, "a test")) == [b"other", b" bytes"]
    assert fetched.read
    with pytest.raises(IntegrityError):
        list(verified(replace(BLOB, digest=digest_of(b"x")), fetched, "a test"))
