"""The certificates that programs in the image trust: the bundle, and the links that OpenSSL finds one by."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s*(.*?)-----END CERTIFICATE-----", re.DOTALL)
_STRINGS = {12: "utf-8", 19: "latin-1", 20: "latin-1", 22: "latin-1", 26: "latin-1", 28: "utf-32-be", 30: "utf-16-be"}
_SPACES = re.compile(r"[ \t\n\v\f\r]+")


def bundle(certificates: Mapping[str, bytes]) -> bytes:
    """/etc/ssl/certs/ca-certificates.crt: all certificates (PEM), by path. Source: update-ca-certificates(8)."""
    return b"".join(pem if pem.endswith(b"\n") else pem + b"\n" for _, pem in sorted(certificates.items()))


def link_name(path: str) -> str:
    """What a certificate is called in /etc/ssl/certs. Source: update-ca-certificates(8)."""
    name = path.rpartition("/")[2].removesuffix(".crt")
    return re.sub(r"[()]", "=", name.replace(" ", "_")).replace(",", "_") + ".pem"


def hash_links(certificates: Mapping[str, bytes]) -> dict[str, str]:
    """The links ``<hash>.<number>`` to certificates, which ``openssl rehash`` makes. Source: openssl-rehash(1)."""
    links: dict[str, str] = {}
    seen: set[bytes] = set()
    for name, pem in sorted((link_name(path), pem) for path, pem in certificates.items()):
        found = _PEM.findall(pem)
        if len(found) != 1:
            continue  # as openssl does
        der = base64.b64decode(found[0])
        fingerprint = hashlib.sha256(der).digest()
        if fingerprint in seen:
            continue
        seen.add(fingerprint)
        digest = subject_hash(der)
        number = next(number for number in range(100) if f"{digest}.{number}" not in links)
        links[f"{digest}.{number}"] = name
    return links


def subject_hash(der: bytes) -> str:
    """The eight hex digits that OpenSSL finds a certificate by: a digest of its subject in a canonical spelling.

    Texts are compared without case and with single spaces. Source: OpenSSL 3.0, crypto/x509/x_name.c (x509_name_canon);
    RFC 5280, section 4.1, for the place of the subject.
    """
    (certificate,) = _values(der)
    to_be_signed = next(_values(certificate[1]))
    parts = list(_values(to_be_signed[1]))
    if parts[0][0] == 0xA0:  # the version, which is optional
        parts = parts[1:]
    subject = parts[4][1]  # serial number, signature, issuer, validity, subject
    names = b"".join(
        _value(0x31, b"".join(sorted(_attribute(attribute) for _, attribute in _values(group))))
        for _, group in _values(subject)
    )
    # SHA-1 is what the files are named by, nothing is secured with it.
    return hashlib.sha1(names, usedforsecurity=False).digest()[3::-1].hex()


def _attribute(data: bytes) -> bytes:
    (kind, name), (tag, value) = _values(data)
    if tag in _STRINGS:
        text = _SPACES.sub(" ", value.decode(_STRINGS[tag])).strip(" ")
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
        tag, value = 12, lower.encode()
    return _value(0x30, _value(kind, name) + _value(tag, value))


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the DER values in ``data``, one after the other."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        yield tag, data[at : at + length]
        at += length


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
