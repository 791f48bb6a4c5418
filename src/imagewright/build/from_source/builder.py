"""Builds wheels of sources in the sandbox: on the image's own base, without a network, once for equal inputs."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from imagewright.build.base.locked import LockedImage
from imagewright.build.commands import command_timeout
from imagewright.build.download import Downloads
from imagewright.build.from_source.contents import Contents, read_contents
from imagewright.build.from_source.fetched import Fetched, fetch
from imagewright.build.from_source.git import Repositories
from imagewright.build.from_source.known import KnownWheels
from imagewright.build.from_source.options import build_options
from imagewright.build.from_source.sandboxed import Failed, SandboxedBuild
from imagewright.build.from_source.surroundings import PREFIX, Surroundings, base_alone, toolchain, with_apt
from imagewright.build.inputs import request_of
from imagewright.build.local_files import LocalFiles
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.session import Session
from imagewright.errors import BuildError, LockError, Where
from imagewright.events import WheelBuilt
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, digest_of
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock_tags import wheel_tags
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.pypi.source import Source
from imagewright.packages.target import Target
from imagewright.sandbox.emulation import cannot_run, this_platform
from imagewright.sandbox.rootfs import Rootfs
from imagewright.spec import ImageSpec

VERSION = 1
"""Goes into the key of every wheel that is built. Count it up when wheels are built in another way."""

Base = LockedBase | LockedImage | LockedSpec
Debs = Callable[[ImageSpec, Base], tuple[LockedDeb, ...]]
"""Pins what a spec's ``apt_packages`` add to a base."""

_MOST_NESTED = 4
_ASKS_GIT = frozenset(
    {"setuptools-scm", "hatch-vcs", "versioningit", "dunamai", "pbr", "setuptools-git-versioning"}
    | {"poetry-dynamic-versioning", "uv-dynamic-versioning", "versioneer"}
)
"""Build requirements that ask git for the version."""


class SourceBuilder:
    """The `WheelBuilder` of one spec. Its build requirements come from the spec's indexes, and may be built in turn.

    ``on`` is the lock of what the image has below its wheels, ``host`` the same for a default base of this machine's platform, which is asked
    when the target's is another one: what is built there has to be without machine code.
    """

    def __init__(
        self,
        spec: ImageSpec,
        on: Lock,
        session: Session,
        inputs: Downloads,
        pip: PipSettings,
        debs: Debs,
        host: Callable[[], Base],
        *,
        nested: int = 0,
    ) -> None:
        self._spec, self._on, self._session, self._inputs, self._pip = spec, on, session, inputs, pip
        self._debs, self._host, self._nested = debs, host, nested
        self._options = build_options(spec)
        self._target = on.target
        self._known = KnownWheels(session.cache_dir / "built", session.files_dir)
        environ = session.environ
        self._repositories = Repositories(session.cache_dir / "git", environ, offline=session.offline)
        self._bare: dict[str, Surroundings] = {}

    def path(self, wheel: LockedWheel) -> Path:
        """Where the file of a wheel that was built is."""
        return self._known.path(wheel.file.digest)

    def has(self, wheel: LockedWheel) -> bool:
        """Whether the file of a wheel that was built is here."""
        return self.path(wheel).is_file()

    def build(self, source: Source, where: Where | None = None) -> LockedWheel:
        """The wheel of a source, built unless it is known.

        Raises:
            BuildError: IW304, its backend failed; IW301, the compiler cannot be installed.
            LockError: It is no project, or has to be built on another platform.
            SandboxError: IW601, the machine lets no sandbox be made.
        """
        started = time.monotonic()
        place = where or self._spec.where_of(source.name or source.url)
        rootfs = Rootfs(self._session.rootfs_dir)
        # What a killed process leaves there, prune removes, and nothing while the lease is held.
        with rootfs.lease(), tempfile.TemporaryDirectory(dir=rootfs.folder, prefix="source-") as folder:
            work = Path(folder)
            fetched = fetch(source, self._spec.directory, self._inputs, self._repositories, work, place)
            named = f"{source.name} {source.version}".strip() or fetched.source.words
            try:
                contents = read_contents(fetched.archive, source.subdirectory, named)
            except LockError as error:
                error.where = place
                raise
            wheel, known = self._build(fetched, contents, named, place, compiled=contents.compiled)
        assert wheel.source is not None
        self._session.listen(
            WheelBuilt(
                self._spec.name,
                f"{wheel.name} {wheel.version}",
                wheel.source.words,
                "known" if known else "built",
                wheel.file.size,
                time.monotonic() - started,
            )
        )
        return wheel

    def _build(
        self, fetched: Fetched, contents: Contents, named: str, where: Where | None, *, compiled: bool
    ) -> tuple[LockedWheel, bool]:
        """The wheel, and whether it was known. Without a compiler, unless ``compiled`` or the build turns out to want one."""
        if self._foreign and compiled:
            raise self._other_platform(named, "it has sources of a compiled language", where)
        source = fetched.source
        apt = self._apt(source, contents, compiled=compiled)
        below = self._surroundings(apt, named, compiled=compiled)
        requires = self._requirements(contents.requires, source, contents, where)
        key = self._key(source, contents, below if apt or compiled else None, requires)
        if wheel := self._known.find(key, source):
            self._check_pure(wheel.filename, named, where)
            return wheel, True
        build = SandboxedBuild(self._spec, self._session, self._inputs, self._build_target, self._options)
        title = f"build {named}"
        with build.prepared(fetched, contents, title) as prepared:
            try:
                more = prepared.asks(below, requires)
                if more:
                    requires = self._requirements((*contents.requires, *more), source, contents, where)
                made = prepared.wheel(below, requires)
            except Failed as failure:
                if not compiled and not self._foreign and wants_compiler_of(failure):
                    return self._build(fetched, contents, named, where, compiled=True)
                raise failure.explained(
                    named, source, called(source, contents), where, command_timeout(self._spec)
                ) from failure
            wheel = self._checked(made, source, named, requires, where)
            self._known.keep(key, wheel, made)
        return wheel, False

    @cached_property
    def _foreign(self) -> str:
        """Why the target's Python cannot run here, "" when it can."""
        return cannot_run(self._target.platform)

    @property
    def _build_on(self) -> Lock:
        return Lock(self._spec.digest, self._host(), ()) if self._foreign else self._on

    @property
    def _build_target(self) -> Target:
        """What the build requirements are installed onto."""
        return replace(self._build_on.target, prefix=PREFIX)

    def _apt(self, source: Source, contents: Contents, *, compiled: bool) -> tuple[str, ...]:
        """The Debian packages that this build needs beside the compiler."""
        names = {canonicalize_name(_name(text)) for text in contents.requires}
        git = ("git",) if source.kind == "git" and names & _ASKS_GIT else ()
        image = self._spec.apt_packages if compiled else ()
        return tuple(sorted({*image, *self._options.apt_packages, *git}))

    def _surroundings(self, apt: Sequence[str], named: str, *, compiled: bool) -> Surroundings:
        base = self._build_on.base
        below = base_alone(self._spec, self._build_on, self._session)
        try:
            asking = self._spec
            for packages in (toolchain(self._build_target) if compiled else (), apt):
                if packages:
                    asking = with_apt(self._spec, packages, on=asking)
                    debs = self._debs(asking, base)
                    below = below.with_packages(asking, debs)
                    base = LockedSpec(Lock(self._spec.digest, base, (), debs))
        except LockError as error:
            error.why = (*error.why, f"{named} has to be built from source, with Debian's compiler")
            raise
        return below

    def _requirements(
        self, texts: Sequence[str], source: Source, contents: Contents, where: Where | None
    ) -> tuple[LockedWheel, ...]:
        """The build requirements, resolved for the Python that builds."""
        if self._nested >= _MOST_NESTED:
            raise LockError(
                f"{source.name or source.words} has build requirements that have to be built themselves, and so on",
                code="IW208",
                fix="a version of them that has a wheel: builder_options={'build_requires': ...}",
                where=where,
            )
        more = self._options.requires.get(called(source, contents), ())
        request = replace(
            request_of(self._spec, self._build_target),
            requirements=tuple(dict.fromkeys((*texts, *more))),
            requirements_file=None,
            install_project=False,
            extra_args="",
        )
        nested = SourceBuilder(
            self._spec, self._build_on, self._session, self._inputs, self._pip, self._debs, self._host,
            nested=self._nested + 1,
        )  # fmt: skip
        try:
            return resolve(
                request,
                uv=Uv(self._session.uv_dir, self._session.environ),
                pin=self._inputs.pin,
                pip=self._pip,
                offline=self._session.offline,
                builder=nested,
            ).wheels
        except LockError as error:
            error.why = (*error.why, f"they are needed to build {source.name or source.words} from source")
            raise

    def _key(
        self, source: Source, contents: Contents, below: Surroundings | None, requires: Sequence[LockedWheel]
    ) -> Digest:
        """The digest of everything that decides a wheel. What needs no compiler does not depend on the base's files."""
        target = self._build_target
        return digest_of(
            canonical_json(
                {
                    "kind": "built wheel",
                    "version": VERSION,
                    "source": [source.kind, source.digest or source.commit, source.subdirectory],
                    "name": source.name,
                    "requires": [[wheel.filename, wheel.file.digest] for wheel in requires],
                    "python": [target.python_full_version or target.python, target.interpreter],
                    "platform": [str(target.platform), *target.libc],
                    "below": list(below.keys) if below else [],
                    "env": dict(self._options.env),
                    "network": self._options.network,
                }
            )
        )

    def _checked(
        self, made: Path, source: Source, named: str, requires: Sequence[LockedWheel], where: Where | None
    ) -> LockedWheel:
        """What the backend wrote, when it is the wheel that was wanted."""
        from imagewright.packages.pypi.wheel import open_wheel

        name, version, _, tags = parse_wheel_filename(made.name)
        wanted = (canonicalize_name(source.name) if source.name else name, source.version or str(version))
        if name != wanted[0] or not _same(str(version), wanted[1]):
            raise BuildError(
                f"{named} became {name} {version} when it was built",
                code="IW304",
                why=f"its backend wrote {made.name}",
                fix=f"ask for {name} by its name" if name != wanted[0] else "tell its authors",
                where=where,
            )
        self._check_pure(made.name, named, where)
        if not self._foreign and not tags & set(wheel_tags(self._target)):
            raise BuildError(
                f"{named} was built for something else: {made.name}",
                code="IW304",
                fix="its backend may be told by builder_options={'build_env': ...}",
                where=where,
            )
        allowed = {canonicalize_name(one) for one in self._spec.builder_options.get("allow_bad_record", ())}
        with open_wheel(made, made.name, allow_bad_record=name in allowed):
            pass
        digest, size = LocalFiles(self._session.files_dir / "local").digest(made)
        used = [f"{wheel.name}=={wheel.version}" for wheel in requires]
        whole = source.called(str(name), str(version)).with_requires(used)
        return LockedWheel(str(name), str(version), InputFile(f"built:{made.name}", digest, size), whole)

    def _check_pure(self, filename: str, named: str, where: Where | None) -> None:
        if self._foreign and any(tag.platform != "any" for tag in parse_wheel_filename(filename)[3]):
            raise self._other_platform(named, f"it became {filename}", where)

    def _other_platform(self, named: str, why: str, where: Where | None) -> LockError:
        platform = self._target.platform
        return LockError(
            f"{named} has no wheel for {platform}, and has to be built on {platform}",
            code="IW203",
            why=[why, self._foreign],
            fix=[f'platform="{this_platform()}"', f"or build the image on a machine of {platform.architecture}"],
            where=where,
        )


def called(source: Source, contents: Contents) -> str:
    """The package's name, normalised, as far as it is known before the build: else the last part of where it is."""
    place = source.url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return canonicalize_name(source.name or contents.name or place)


def wants_compiler_of(failure: Failed) -> bool:
    """Whether a compiler would have helped."""
    from imagewright.build.from_source.failure import wants_compiler

    return wants_compiler(failure.lines)


def _name(text: str) -> str:
    return text.strip().split(";")[0].split("[")[0].rstrip("=<>!~0123456789.,* ")


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
