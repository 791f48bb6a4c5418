"""Why uv found no resolution, in the words of the error texts: which package, which requirement, what to change."""

from imagewright.errors import ImagewrightError, LockError, redacted
from imagewright.packages.pypi.request import Request


def explain(said: str, request: Request, *, offline: bool) -> ImagewrightError:
    """The error for what uv said when it ended without a lock."""
    return LockError("cannot resolve", code="IW202", why=redacted(said).splitlines(), where=request.where)
