"""Certificates for single hosts, where docker and podman keep them: ``certs.d/HOST:PORT``."""

import ssl
from collections.abc import Collection
from pathlib import Path

from imagewright.errors import NetworkError


def folders_for(host: str, roots: Collection[Path]) -> tuple[Path, ...]:
    """The folders of ``roots`` that are for a ``host[:port]``, which is all that was read."""
    if "/" in host or host in ("", ".", ".."):
        return ()
    return tuple(folder for root in roots if (folder := root / host).is_dir())


def load(context: ssl.SSLContext, folders: Collection[Path]) -> None:
    """Trust every ``*.crt``, and show the ``*.cert`` that has its ``*.key`` beside it.

    Source: Docker's "Verify repository client with certificates"; containers-certs.d(5) says the same.

    Raises:
        NetworkError: One of the files cannot be used.
    """
    for folder in folders:
        for path in sorted(folder.iterdir()):
            try:
                if path.suffix == ".crt":
                    context.load_verify_locations(cafile=path)
                elif path.suffix == ".cert":
                    context.load_cert_chain(path, path.with_suffix(".key"))
            except OSError as error:  # an ssl.SSLError is one
                why = "it needs its key beside it" if isinstance(error, FileNotFoundError) else str(error)
                raise NetworkError(f"the certificate {path} cannot be used", code="IW502", why=why) from error
