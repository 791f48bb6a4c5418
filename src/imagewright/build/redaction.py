"""Values of secrets in text that is shown and in files that are kept: found as they are, and as they are commonly encoded."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_LONG_LINE = 8  # of a secret of several lines: what is shorter says nothing, and is found everywhere
_WRAPPED = 8  # characters of an encoded value that programs have broken into lines

_BASE64 = r"[A-Za-z0-9+/_-]"


def plain_forms(value: bytes) -> set[bytes]:
    """The value, and the long lines of one that has several."""
    lines = [line.strip() for line in value.splitlines()]
    return {part for part in (value.strip(), *(line for line in lines if len(line) >= _LONG_LINE)) if part}


def encoded_forms(value: bytes) -> Iterator[bytes]:
    """What a value looks like in a URL, a JSON string, and in hexadecimal digits."""
    for part in plain_forms(value):
        text = part.decode("utf-8", "surrogateescape")
        for form in (quote(part), quote(part, safe=""), quote_plus(part), json.dumps(text)[1:-1]):
            yield form.encode("utf-8", "surrogateescape")
        yield part.hex().encode()
        yield part.hex().upper().encode()


def base64_forms(value: bytes) -> Iterator[bytes]:
    """What base64 makes of a value, wherever in a longer text it stands: the digits that it alone decides."""
    for part in plain_forms(value):
        for before in range(3):
            digits = base64.b64encode(bytes(before) + part).rstrip(b"=")
            inner = digits[(0, 2, 3)[before] : len(digits) - bool((before + len(part)) % 3)]
            yield inner
            yield inner.translate(bytes.maketrans(b"+/", b"-_"))


class Redactor:
    """Takes the values of secrets out of lines of text. It says neither the values nor how long they are."""

    def __init__(self, values: Iterable[bytes]) -> None:
        known = list(values)
        plain = {form for value in known for form in (*plain_forms(value), *encoded_forms(value))}
        base = {form for value in known for form in base64_forms(value) if len(form) >= 4}
        patterns = [re.escape(_text(form)) for form in sorted(plain, key=len, reverse=True)]
        patterns += [f"{_BASE64}?{re.escape(_text(form))}{_BASE64}?=*" for form in sorted(base, key=len, reverse=True)]
        self._pattern = re.compile("|".join(patterns)) if patterns else None
        self._wrapped = [_text(form) for value in known for form in (value.hex().encode(), base64.b64encode(value))]

    def redacted(self, line: str) -> str:
        """The line, with ``***`` for every value in it."""
        if self._pattern is None:
            return line
        piece = line.strip()
        if len(piece) >= _WRAPPED and any(piece in whole for whole in self._wrapped):
            return HIDDEN
        return self._pattern.sub(HIDDEN, line)


def _text(form: bytes) -> str:
    return form.decode("utf-8", "replace")
