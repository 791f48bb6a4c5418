"""Whether a release file is signed by Debian."""

from functools import lru_cache
from pathlib import Path

import pysequoia

from imagewright.errors import IntegrityError
from imagewright.oci.digest import Digest, digest_of

DEFAULT_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def keyring_digest(keyring: Path) -> Digest:
    """The digest of the keyring's file: what it was when a signature was found good.

    Raises:
        IntegrityError: The keyring cannot be read (IW511).
    """
    return digest_of(_bytes(keyring))


def signed_text(data: bytes, keyring: Path, name: str) -> bytes:
    """What is signed in ``data``, a clear-signed file: nothing outside of the signature is in it.

    One good signature of a key in the keyring is enough, as for apt: Debian signs with the keys of several releases.

    Raises:
        IntegrityError: No key of the keyring has signed it (IW511), or the keyring cannot be read.
    """
    certificates = _certificates(_bytes(keyring), keyring)
    try:
        verified = pysequoia.verify(bytes=data, store=lambda keys: list(certificates))
    except Exception as error:  # the library has no type of its own for it
        raise IntegrityError(
            f"the signature of {name} is not good",
            code="IW511",
            why=(_first_line(error), f"keys from {keyring}"),
            fix=(
                "take another mirror: somebody may have changed what this one sends",
                "correct this machine's clock if it is wrong: a signature has its time",
                "update the package debian-archive-keyring if the release is newer than this machine's",
            ),
        ) from error
    if not verified.bytes or not verified.valid_sigs:
        raise IntegrityError(f"{name} has no signature", code="IW511", why=f"keys from {keyring}")
    return bytes(verified.bytes)


@lru_cache(maxsize=4)
def _certificates(data: bytes, keyring: Path) -> tuple[pysequoia.Cert, ...]:
    try:
        return tuple(pysequoia.Cert.split_bytes(data))
    except Exception as error:
        raise IntegrityError(f"{keyring} is not a keyring", code="IW511", why=_first_line(error)) from error


def _bytes(keyring: Path) -> bytes:
    try:
        return keyring.read_bytes()
    except OSError as error:
        raise IntegrityError(
            f"the keys of Debian's archive cannot be read: {keyring}",
            code="IW511",
            why=f"{error.strerror}; without them the packages' origin cannot be proved",
            fix=(
                "apt-get install debian-archive-keyring",
                "imagewright build --debian-keyring FILE (the .gpg file of that package)",
            ),
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()  # the library adds a stack of its own
