"""The words for one error code, and how they are shown."""

from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: a title, what it means and why it is an error, and what helps. Markdown, one sentence a line."""

    code: str
    title: str
    meaning: str
    helps: str


def as_text(explanation: Explanation) -> str:
    """The explanation as a terminal shows it, and the Markdown of its section."""
    return f"{explanation.code}: {explanation.title}\n\n{explanation.meaning}\n\nWhat helps:\n{explanation.helps}\n"
