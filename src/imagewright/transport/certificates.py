"""What is trusted: the system's certificates, those of the environment, and those for single hosts, in ``certs.d/HOST:PORT`` as docker has them."""

import os
import re
import ssl
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from imagewright.errors import NetworkError


def folders_for(host: str, roots: Collection[Path]) -> tuple[Path, ...]:
    """The folders of ``roots`` that are for a ``host[:port]``, which is all that was read."""
    if "/" in host or host in ("", ".", ".."):
        return ()
    return tuple(folder for root in roots if (folder := root / host).is_dir())


_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, SUSE and Alpine have them: for a Python that was built elsewhere, and looks elsewhere."""


def trusted(environ: Mapping[str, str], folders: Collection[Path] = ()) -> ssl.SSLContext:
    """For connections to hosts: the system's certificates or those of SSL_CERT_FILE and SSL_CERT_DIR, those of REQUESTS_CA_BUNDLE, and of ``folders``.

    Raises:
        NetworkError: One of them cannot be used.
    """
    if sys.platform == "linux":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_default_verify_paths()  # OpenSSL's own, which reads both variables
        named, paths = environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths()
        if named and not os.path.isfile(named):
            raise _unusable("SSL_CERT_FILE", named, "there is no such file")
        if not named and not environ.get("SSL_CERT_DIR") and not paths.cafile and not _has_hashed(paths.capath):
            for bundle in filter(os.path.isfile, _BUNDLES):
                context.load_verify_locations(cafile=bundle)
                break
    else:
        import httpx2  # which asks the system's own store

        context = httpx2.create_ssl_context()
    more = environ.get("REQUESTS_CA_BUNDLE")
    if more and more != environ.get("SSL_CERT_FILE"):
        folder = os.path.isdir(more)
        try:
            context.load_verify_locations(capath=more if folder else None, cafile=None if folder else more)
        except OSError as error:
            raise _unusable("REQUESTS_CA_BUNDLE", more, error.strerror or str(error)) from error
    load(context, folders)
    return context


def _has_hashed(folder: str | None) -> bool:
    return folder is not None and any(map(_HASHED.fullmatch, os.listdir(folder)))


def _unusable(variable: str, path: str, why: str) -> NetworkError:
    return NetworkError(
        f"the certificates of {variable} cannot be used",
        code="IW502",
        why=f"{path}: {why}",
        fix=(f"{variable}=/path/to/your-ca.pem", f"unset {variable}"),
    )


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
