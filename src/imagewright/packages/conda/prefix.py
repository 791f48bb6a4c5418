"""Writes the prefix into files that were built for a placeholder."""

import re
from typing import Literal

MAX_SIZE = 1 << 30
"""A file that has the prefix in it is read as a whole, up to this size."""


def with_prefix(data: bytes, placeholder: str, prefix: str, mode: Literal["text", "binary"]) -> bytes:
    """``data`` with ``prefix`` in the placeholder's place. In a program each string is filled up with zeros to its length.

    Source: conda 24, core/portability.py, replace_prefix and binary_replace.

    Raises:
        ValueError: The prefix is longer than what it takes the place of, in a program.
    """
    old, new = placeholder.encode(), prefix.encode()
    if mode == "text":
        return data.replace(old, new)
    if len(new) > len(old):
        raise ValueError(f"the prefix {prefix} is longer than the place for it")

    def filled(match: "re.Match[bytes]") -> bytes:
        string = match.group()
        return string.replace(old, new) + bytes((len(old) - len(new)) * string.count(old))

    return re.sub(re.escape(old) + rb"[^\0]*\0", filled, data)
