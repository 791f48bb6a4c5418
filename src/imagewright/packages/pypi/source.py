"""What a wheel is built from where there is none: an sdist, a folder, or a commit of a git repository. Pure data."""

from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any, Literal, get_args

from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest, parse_digest

Kind = Literal["sdist", "folder", "git"]


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A source, as far as it is known: all of it once a wheel was built from it.

    ``url`` is an sdist's URL (``file:`` for a local one), a folder's path relative to the spec's folder, or a
    repository's URL as git takes it. It holds no user and no password; ``login_url`` does, for the run at hand alone.
    ``digest`` is the sdist's file's, or the digest of a folder's files. A repository's ``commit`` is what ``revision``
    (a branch, a tag, or "" for the default branch) stood for. ``name`` and ``version`` are what the wheel has to be
    called, "" where nobody knows before. ``requires`` are the build requirements that were used, as ``name==version``.
    """

    kind: Kind
    url: str
    digest: Digest | None = None
    revision: str = ""
    commit: str = ""
    subdirectory: str = ""
    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    login_url: str = field(default="", compare=False, repr=False)

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.kind == "sdist":
            return "its sdist"
        if self.kind == "folder":
            return f"the folder {self.url}"
        return f"{self.url}{f' at {self.commit[:12]}' if self.commit else ''}"

    def to_json(self) -> dict[str, Any]:
        """As plain values, without what is empty."""
        values = {
            "kind": self.kind,
            "url": self.url,
            "digest": self.digest,
            "revision": self.revision,
            "commit": self.commit,
            "subdirectory": self.subdirectory,
            "requires": list(self.requires),
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, document: Any, *, name: str, version: str) -> "Source":
        """Read what `to_json` wrote; the wheel's ``name`` and ``version`` stand beside it.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        kind, url = document["kind"], document["url"]
        if kind not in get_args(Kind) or not isinstance(url, str):
            raise ValueError(f"not a source: {kind!r}, {url!r}")
        texts = {key: str(document.get(key, "")) for key in ("revision", "commit", "subdirectory")}
        digest = parse_digest(document["digest"]) if "digest" in document else None
        requires = tuple(str(one) for one in document.get("requires", ()))
        return cls(kind, url, digest, name=name, version=version, requires=requires, **texts)

    def with_requires(self, requires: Iterable[str]) -> "Source":
        """The same source, built with these."""
        return replace(self, requires=tuple(requires))

    def called(self, name: str, version: str = "") -> "Source":
        """The same source, of a distribution whose name and version are known."""
        return replace(self, name=name, version=version)
