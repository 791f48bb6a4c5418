"""How long the other side asks to be left alone."""

import time
from collections.abc import Mapping
from contextlib import suppress


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that ``Retry-After`` says, or that are left until the date there; 0 when it says neither.

    A date is compared with the answer's own, so that a clock here that is wrong does no harm.
    Source: RFC 9110, section 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    with suppress(ValueError):
        until = _seconds(text)
        try:
            now = _seconds(headers.get("date", ""))
        except ValueError:
            now = time.time()
        return max(until - now, 0.0)
    return 0.0


def _seconds(text: str) -> float:
    if not text:
        raise ValueError("no date")
    from email.utils import parsedate_to_datetime  # only here: it is slow to import

    return parsedate_to_datetime(text).timestamp()
