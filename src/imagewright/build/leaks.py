"""No secret of a step in its layer: what the step changed is searched before it is kept."""

from collections.abc import Iterable, Iterator, Mapping

from imagewright.build.redaction import Redactor, base64_forms, encoded_forms, plain_forms
from imagewright.build.step import Step
from imagewright.errors import BuildError
from imagewright.sandbox.difference import Change

_CHUNK = 1 << 22


def without_secrets(changes: Iterable[Change], values: Mapping[str, bytes], step: Step, image: str) -> Iterator[Change]:
    """The changes, as long as no name, link, attribute or content has the value of a secret.

    It is looked for as it is, quoted for URLs, and in base64 and hexadecimal digits. In what was compressed or encrypted
    it is not found.

    Raises:
        BuildError: IW306, one has.
    """
    wanted = [
        (form, name)
        for name, value in values.items()
        for form in {*plain_forms(value), *encoded_forms(value), *base64_forms(value)}
    ]
    overlap = max((len(form) for form, _ in wanted), default=1) - 1
    for change in changes:
        texts = [change.path.encode(), change.link.encode(), *change.xattrs.values()]
        for piece in (*texts, *_pieces(change.source, overlap)):
            for form, name in wanted:
                if form in piece:
                    raise _leak(Redactor(values.values()).redacted(change.path), name, step, image)
        yield change


def _pieces(source: str, overlap: int) -> Iterator[bytes]:
    """The content in pieces, each with the end of the one before it."""
    if not source:
        return
    with open(source, "rb") as file:
        last = b""
        while chunk := file.read(_CHUNK):
            yield last + chunk
            last = (last + chunk)[-overlap:] if overlap else b""


def _leak(path: str, name: str, step: Step, image: str) -> BuildError:
    return BuildError(
        f"command {step.origin.number} of {step.origin.count} of image {image!r} leaves the secret {name!r} in the image",
        code="IW306",
        why=f"in /{path}; whoever pulls the image could read it there",
        kept="the layers before it; the layer of this command was thrown away",
        fix=f"remove it at the end of the same command: ... && rm /{path}",
        where=step.origin.where,
    )
