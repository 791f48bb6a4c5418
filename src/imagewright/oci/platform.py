"""The platform an image is for."""

from __future__ import annotations

from imagewright.dataclass import dataclass

_ALIASES = {"x86_64": "amd64", "aarch64": "arm64", "arm64/v8": "arm64"}


@dataclass(frozen=True, order=True)
class Platform:
    """An operating system and an architecture, in Go's words: ``linux/amd64``.

    Source: OCI image-spec v1.1, image-index.md, "platform".
    """

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs(self, other: Platform) -> bool:
        """Whether an image of ``other`` is for this one: a variant that only one of them names does not matter."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not self.variant or not other.variant or self.variant == other.variant)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """``linux/amd64``, ``linux/arm64/v8`` (the same as ``linux/arm64``), ``linux/x86_64``.

        Raises:
            ValueError: It is not two or three parts.
        """
        parts = text.strip().lower().split("/", 1)
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"a platform is written os/architecture, as linux/amd64, not {text!r}")
        os, rest = parts
        architecture, _, variant = _ALIASES.get(rest, rest).partition("/")
        return cls(os, architecture, variant)
