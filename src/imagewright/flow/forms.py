"""What whoever gives values a form, or reads one, has to know of the documents around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

TEXT_LENGTH = 4000  # of the text that a person is shown for a value the host cannot read


class NotEncodable(Exception):
    """The value has no form in which it can leave this process."""


class NoPlainForm(Exception):
    """The value has to be pickled; the text is the reason."""


class Encodes(Protocol):
    """Makes documents of the values inside a value."""

    def encode(self, value: Any) -> Any:
        """The document of ``value``."""
        ...

    def new_file(self, name: str) -> tuple[str, Path]:
        """A file to write beside the document: as the document names it, and where it is."""
        ...


class Decodes(Protocol):
    """Makes values of the documents inside a document."""

    def decode(self, document: Any) -> Any:
        """The value of ``document``."""
        ...

    def file(self, document: dict[str, Any]) -> Path:
        """Where the document's file is."""
        ...


def text_of(value: Any) -> str:
    """What a person is shown for ``value``, of bounded length. Never raises."""
    try:
        text = repr(value)
    except Exception as error:  # a broken __repr__ must not lose the value
        text = f"<{type(value).__qualname__}, whose __repr__ raises {type(error).__name__}>"
    return text if len(text) <= TEXT_LENGTH else text[:TEXT_LENGTH] + "..."
