"""The digests of a RECORD, all at once: one call for thousands of them, where one for each is most of reading it."""

import binascii
from collections.abc import Sequence

_SHA256 = "sha256="
_LENGTH = len(_SHA256) + 43  # 32 bytes in base64 without padding
_TO_STANDARD = str.maketrans("-_+/", "+/!!")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def decode_all(texts: Sequence[str]) -> list[bytes] | None:
    """The digests of ``sha256=...`` each; None when one of them is anything else, or not spelled as encoders do.

    43 characters and an ``A`` are 33 bytes, the last of them zero: so they can be put behind each other.
    Source: "Recording installed projects", "The RECORD file": urlsafe base64 without padding.
    """
    if not all(len(text) == _LENGTH and text.startswith(_SHA256) for text in texts):
        return None
    joined = "".join([text[7:] + "A" for text in texts])
    try:
        data = binascii.a2b_base64(joined.translate(_TO_STANDARD), strict_mode=True) if joined else b""
    except ValueError:  # binascii's own is one, and so is what a character beyond ASCII gives
        return None
    if any(data[32::33]):
        return None
    return [data[at : at + 32] for at in range(0, len(data), 33)]


def encode_all(digests: Sequence[bytes]) -> list[str]:
    """sha256 digests as RECORD has them, ``sha256=...``."""
    text = binascii.b2a_base64(b"".join([digest + b"\0" for digest in digests]), newline=False).translate(_TO_URLSAFE)
    joined = text.decode()
    return [_SHA256 + joined[at : at + 43] for at in range(0, len(joined), 44)]
