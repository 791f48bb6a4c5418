"""One process at a time builds an image; the others wait for it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagewright.errors import StoreError
from imagewright.events import Listener, Noted
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.reference import Reference


@contextmanager
def turn(reference: Reference, folder: Path, listen: Listener) -> Iterator[bool]:
    """Be the only one on this machine who builds ``reference``; True when another one was waited for.

    The turn ends with the process, however that ends. ``folder`` holds an empty file for each image that was built.

    Raises:
        StoreError: The folder cannot be written.
    """
    path = folder / f"{hex_of(digest_of(str(reference).encode()))}.turn"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder.parent} cannot be written",
            why=error.strerror or str(error),
            fix="choose another: --cache-dir DIR, or IMAGEWRIGHT_CACHE_DIR",
        ) from error
    with file:
        waited = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            listen(Noted(f"another process is building {reference}: waiting for it"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield waited
