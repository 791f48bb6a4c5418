"""A field's value that cannot work, and what to write instead: told by the checks, made an error by the spec."""

from __future__ import annotations

from imagewright.errors import redacted

_SHOWN = 90


class Refused(Exception):
    """A value that cannot work: the field, the value, what is wrong with it, what to write, and the piece to point at.

    ``hidden``: the user's line may hold a secret, so it is not shown.
    """

    def __init__(
        self, field: str, value: object, problem: str, *, fix: str, part: object = "", hidden: bool = False
    ) -> None:
        shown = "..." if value is ... else repr(value)
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN] + "..."
        self.what = redacted(f"{field}={shown} {problem}")
        self.fix = redacted(fix)
        self.part = part if isinstance(part, str) else repr(part)
        self.hidden = hidden
        super().__init__(self.what)
