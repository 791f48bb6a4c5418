"""The wheels that are built for one resolution, in a folder where uv finds them under their own names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from imagewright.errors import LockError, Where
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock import file_url
from imagewright.packages.pypi.requirements_file import from_source
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.source_requirement import SourceRequirement


class WheelBuilder(Protocol):
    """Makes wheels of sources, for the target and by its own Python. What was made once is found again."""

    def build(self, source: Source, where: Where | None = None) -> LockedWheel:
        """The wheel of a source, built unless it is known.

        Raises:
            BuildError: IW304, its build backend failed.
            LockError, SandboxError, ImagewrightError: It cannot be built here.
        """
        ...

    def path(self, wheel: LockedWheel) -> Path:
        """Where the file of a wheel that it built is."""
        ...


class BuiltWheels:
    """What one resolution has built, in ``folder``. Without a ``builder`` everything is refused.

    ``only_binary`` are names that are to be wheels of an index; ``:all:`` is every one. ``forbidden_by`` says who has
    it so, for error texts.
    """

    def __init__(
        self, builder: WheelBuilder | None, folder: Path, only_binary: Sequence[str] = (), forbidden_by: str = ""
    ) -> None:
        self._builder = builder
        self._folder = folder
        self._only_binary = frozenset(name if name == ":all:" else canonicalize_name(name) for name in only_binary)
        self._forbidden_by = forbidden_by or "--only-binary in pip_extra_args" * bool(only_binary)
        self._wheels: dict[str, LockedWheel] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._wheels)

    def has(self, name: str, version: str) -> bool:
        """Whether a wheel of this version is there."""
        return any((wheel.name, wheel.version) == (name, version) for wheel in self._wheels.values())

    @property
    def folder(self) -> Path:
        """Where the wheels are, as find-links takes it."""
        return self._folder

    @property
    def forbidden_by(self) -> str:
        """Who forbids to build anything at all, "" if nobody does."""
        return self._forbidden_by if self._builder is None or ":all:" in self._only_binary else ""

    def forbids(self, name: str) -> str:
        """Who forbids to build a package, "" if nobody does."""
        return "" if self.may(name) else self._forbidden_by

    def may(self, name: str) -> bool:
        """Whether a package may be built; "" stands for one whose name is not known."""
        if self._builder is None or ":all:" in self._only_binary:
            return False
        return canonicalize_name(name) not in self._only_binary

    def add(self, source: Source, where: Where | None = None, *, named: str = "") -> LockedWheel:
        """The wheel of a source, from now on in the folder. ``named`` is what the user wrote.

        Raises:
            LockError: IW204, nothing may be built of it.
            BuildError, SandboxError: It cannot be built.
        """
        if self._builder is None or not self.may(source.name):
            words = {"sdist": "an sdist", "git": "a git repository", "folder": f"the folder {source.url}"}[source.kind]
            raise from_source(named or source.name or source.url, words, where=where, by=self._forbidden_by)
        wheel = self._builder.build(source, where)
        link = self._folder / wheel.filename
        if wheel.filename not in self._wheels:
            link.symlink_to(self._builder.path(wheel))
        elif self._wheels[wheel.filename].file != wheel.file:
            raise LockError(
                f"{wheel.name} {wheel.version} is asked for from two sources",
                code="IW202",
                why=[
                    str(source.words),
                    *(f"{known.source.words}" for known in [self._wheels[wheel.filename]] if known.source),
                ],
                where=where,
            )
        self._wheels[wheel.filename] = wheel
        return wheel

    def requirement(self, wanted: SourceRequirement, where: Where | None = None, *, named: str = "") -> str:
        """The requirement that stands for a source, once its wheel is built: ``name[extras] @ file:///... ; marker``."""
        wheel = self.add(wanted.source, where, named=named)
        marker = f" ; {wanted.marker}" if wanted.marker else ""
        return f"{wheel.name}{wanted.extras} @ {file_url(self._folder / wheel.filename)}{marker}"

    def of(self, url: str) -> LockedWheel | None:
        """The wheel at a URL of the folder, if it is one that was built."""
        path = Path(unquote(urlsplit(url).path))
        return self._wheels.get(path.name) if path.parent == self._folder else None
