"""Names of images: registry/repository:tag@digest."""

from __future__ import annotations

import re
from dataclasses import replace

from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest, parse_digest

DEFAULT_REGISTRY = "docker.io"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, order=True)
class Reference:
    """An image's name. ``registry`` is "" for an image of the local store.

    Source: OCI distribution-spec v1.1, "Pulling manifests", for the repository and tag grammar;
    the host part is what Docker's and containerd's tools take.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}" if self.registry else self.repository
        if self.tag:
            text += f":{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text

    @property
    def pinned(self) -> str:
        """``repository@digest``, the form that a task's template carries.

        Raises:
            ValueError: The digest is not known.
        """
        if self.digest is None:
            raise ValueError(f"{self} names no digest")
        return str(replace(self, tag=""))

    def with_digest(self, digest: Digest) -> Reference:
        """The same name, pinned."""
        return replace(self, digest=digest)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``[registry/]repository[:tag][@digest]`` as Docker's tools do.

        The first part is a registry when it has a dot or a colon or is ``localhost``; without one the registry is
        docker.io, and a repository of one part there gets ``library/``.

        Raises:
            ValueError: It is not an image's name; the text says which part is wrong.
        """
        rest, at, digest_text = text.strip().partition("@")
        digest = parse_digest(digest_text) if at else None
        head, slash, tail = rest.partition("/")
        if slash and (head == "localhost" or "." in head or ":" in head):
            registry, rest = head, tail
        else:
            registry = DEFAULT_REGISTRY
        repository, colon, tag = rest.partition(":")
        if registry in ("docker.io", "index.docker.io"):
            registry = DEFAULT_REGISTRY
            repository = repository if "/" in repository else f"library/{repository}"
        return cls(check_registry(registry), check_repository(repository), check_tag(tag) if colon else "", digest)


def check_registry(text: str) -> str:
    """``text`` when it is ``host[:port]``, else ValueError."""
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 443) < 65536 or (match["ipv6"] and not _is_ipv6(match["ipv6"])):
        raise ValueError(f"{text!r} is not a registry: write host or host:port, as ghcr.io or localhost:30000")
    return text


def check_repository(text: str) -> str:
    """``text`` when it is a repository, else ValueError."""
    if len(text) > 255 or not _REPOSITORY.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a repository: lower-case letters, digits, and single . _ - between them, parts joined by /"
        )
    return text


def check_tag(text: str) -> str:
    """``text`` when it is a tag, else ValueError."""
    if not _TAG.fullmatch(text):
        raise ValueError(f"{text!r} is not a tag: up to 128 letters, digits, dots, dashes and underscores")
    return text


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address  # hardly any registry needs it, and the import takes its time

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
