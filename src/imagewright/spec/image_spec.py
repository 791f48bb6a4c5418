"""ImageSpec: the image that a user wants, checked at once and never changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.errors import BuildError, SpecError, Where, redacted
from imagewright.oci.digest import Digest, canonical_json, digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import place
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.environment import installed
from imagewright.spec.fields import CHECKS, LOCAL_REGISTRY, Refused

if TYPE_CHECKING:
    from datetime import date
    from enum import Enum

    from imagewright.spec.files import Copied

    Strings = list[str] | tuple[str, ...]
    File = str | os.PathLike[str]

T = TypeVar("T")

DEFAULT_PYTHON = "3.11"
"""The Python of the default base, when the spec names none."""

_TAG_DIGITS = 32


@dataclass(frozen=True, init=False, repr=False)
class ImageSpec:
    """The image that a task runs in. Fields, their order and their meaning are flytekit's; each is checked here.
    Those that flytekit has not are given by keyword.

    Paths are relative to ``directory``, the folder of the file that makes the spec, not to the current one.
    A list that is not given is empty; only ``entrypoint`` tells None (the base image's own) from [] (none).
    Two specs are equal when their fields are; they are the same image when their `digest` is.

    Raises:
        SpecError: A field has a value that cannot work; the text names it and says what to write.
    """

    name: str
    python_version: str | None
    builder: str | None
    source_root: str | None
    env: Mapping[str, str]
    registry: str | None
    packages: tuple[str, ...]
    conda_packages: tuple[str, ...]
    conda_channels: tuple[str, ...]
    requirements: str | None
    apt_packages: tuple[str, ...]
    cuda: str | None
    cudnn: str | None
    base_image: str | ImageSpec | None
    platform: str
    pip_index: str | None
    pip_extra_index_url: tuple[str, ...]
    pip_secret_mounts: tuple[tuple[str, str], ...]
    pip_extra_args: str | None
    registry_config: str | None
    entrypoint: tuple[str, ...] | None
    commands: tuple[str, ...]
    tag_format: str | None
    source_copy_mode: CopyFileDetection | None
    copy: tuple[str, ...]
    python_exec: str | None
    runtime_packages: tuple[str, ...]
    builder_options: Mapping[str, Any]
    builder_config: Mapping[str, Any]
    install_project: bool
    secrets: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    user: str | None
    workdir: str | None
    apt_snapshot: str | None
    compile_bytecode: bool
    forced: bool = field(compare=False)
    where: Where = field(compare=False)
    directory: Path = field(compare=False)

    def __init__(
        self,
        name: str = "imagewright",
        python_version: str | None = None,
        builder: str | None = None,
        source_root: File | None = None,
        env: Mapping[str, str] | None = None,
        registry: str | None = None,
        packages: Strings | None = None,
        conda_packages: Strings | None = None,
        conda_channels: Strings | None = None,
        requirements: File | None = None,
        apt_packages: Strings | None = None,
        cuda: str | None = None,
        cudnn: str | None = None,
        base_image: str | ImageSpec | None = None,
        platform: str | Strings | None = None,
        pip_index: str | None = None,
        pip_extra_index_url: Strings | None = None,
        pip_secret_mounts: list[tuple[str, str]] | tuple[tuple[str, str], ...] | None = None,
        pip_extra_args: str | None = None,
        registry_config: File | None = None,
        entrypoint: Strings | None = None,
        commands: Strings | None = None,
        tag_format: str | None = None,
        source_copy_mode: Enum | str | None = None,
        copy: list[str] | list[Path] | tuple[str, ...] | None = None,
        python_exec: str | None = None,
        runtime_packages: Strings | None = None,
        builder_options: Mapping[str, Any] | None = None,
        builder_config: Mapping[str, Any] | None = None,
        install_project: bool | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        user: str | int | None = None,
        workdir: File | None = None,
        apt_snapshot: str | date | None = None,
        compile_bytecode: bool | None = None,
        forced: bool = False,
        where: Where = place.NOWHERE,
        directory: Path | None = None,
    ) -> None:
        given = locals()
        values = vars(self)  # a frozen instance is filled once, here
        values["forced"] = forced
        values["where"] = where if where != place.NOWHERE else place.caller()
        values["directory"] = Path(os.path.abspath(directory or place.folder_of(self.where)))
        try:
            values.update({field: check(field, given[field]) for field, check in CHECKS.items()})
            if self.requirements is not None:
                from imagewright.spec.together import check_together  # files, which most specs do not name

                check_together(self)
        except Refused as refused:
            raise self._error(refused) from None

    def __repr__(self) -> str:
        """What differs from the defaults, as it would be written."""
        shown = (
            f"{field}={value!r}"
            for field, check in CHECKS.items()
            if (value := getattr(self, field)) != check(field, "imagewright" if field == "name" else None)
        )
        return redacted(f"ImageSpec({', '.join(shown)})")

    def __hash__(self) -> int:
        return hash(self.declared)

    # What it means

    @property
    def python(self) -> str:
        """The Python of the image, ``3.11``: the one asked for, or the base's; "" is whatever an image named by reference has."""
        if self.python_version is not None:
            return self.python_version
        if isinstance(self.base_image, ImageSpec):
            return self.base_image.python
        return "" if self.base_image else DEFAULT_PYTHON

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that it is built for, sorted."""
        return tuple(map(Platform.parse, self.platform.split(",")))

    @cached_property
    def copied(self) -> tuple[Copied, ...]:
        """The user's files that go to /root, sorted: ``source_root``'s, and ``copy``'s where both have one.

        They are listed and read once, so that the digest and the layer speak of the same files.

        Raises:
            SpecError: A file that the spec names is not there.
        """
        from imagewright.spec.content import copied_by

        return self._told(copied_by)

    @cached_property
    def digest(self) -> Digest:
        """What the image is: every content field, and the contents of every file that one names. Alike on every machine.

        The files are read when it is first asked for; `check_unchanged` reads them again.
        """
        from imagewright.spec.content import content_of  # here and below: a task container asks for no digest

        return digest_of(canonical_json(self._told(content_of)))

    @cached_property
    def declared(self) -> Digest:
        """The digest of what is written: as `digest`, with the names of files instead of their contents.

        It needs no file, so a task container can tell by it which spec it was made from.
        """
        from imagewright.spec.content import declared_by

        return digest_of(canonical_json({"declared": self._told(declared_by)}))

    @property
    def required(self) -> Digest:
        """The digest of what a lock answers: the packages that are asked for, on which Python, and from which indexes."""
        from imagewright.spec.content import required_by

        return digest_of(canonical_json({"required": self._told(required_by)}))

    @property
    def content(self) -> dict[str, Any]:
        """All that `digest` is made of, as plain values without secrets: fields by name, and the digests of files.

        A base that is another spec is ``{"spec": its content}``.
        """
        from imagewright.spec.content import content_of

        content = self._told(content_of)
        if isinstance(self.base_image, ImageSpec):
            content["base_image"] = {"spec": self.base_image.content}
        return content

    def lock_file(self, platform: Platform) -> Path:
        """Where the lock file is, or would be: ``imagewright.lock/NAME-OS-ARCHITECTURE.pylock.toml`` beside the code.

        When it is there, its content is part of `digest`.
        """
        from imagewright.spec.requirements import LOCKS

        return self.directory / LOCKS / f"{self.name}-{str(platform).replace('/', '-')}.pylock.toml"

    @property
    def tag(self) -> str:
        """The first 32 hex digits of the digest, through ``tag_format``."""
        digits = hex_of(self.digest)[:_TAG_DIGITS]
        return self.tag_format.format(spec_hash=digits) if self.tag_format else digits

    @property
    def reference(self) -> Reference:
        """registry/name:tag. The registry is "" for the local store."""
        if self.registry is None or self.registry == LOCAL_REGISTRY:
            return Reference("", self.name, self.tag)
        return Reference.parse(f"{self.registry}/{self.name}:{self.tag}")

    def is_container(self) -> bool:
        """Whether this code runs in the image of this spec, so that what it installs may be imported.

        On a laptop it is True: the local environment stands in for every image. In a task container it is True only for
        the spec that the container was made from. While imagewright reads a file in order to build its images, it is False.
        """
        return os.environ.get("IMAGEWRIGHT_IMAGE", self.declared) == self.declared

    def check_unchanged(self) -> None:
        """Read every named file again, and compare.

        Raises:
            BuildError: A file has changed since `digest` was made, so the tag would not tell the truth.
        """
        again = replace(self)
        if again.digest != self.digest:
            raise BuildError(
                f"a file of image {self.name!r} changed while it was being built",
                code="IW302",
                why=[f"{path} changed" for path in _differences(self.copied, again.copied)]
                or "its requirements changed",
                fix="build it again",
                where=self.where,
            )

    def where_of(self, part: str) -> Where:
        """The line of the declaration on which ``part`` stands, to be pointed at; its first line when none has it."""
        return place.line_with(self.where, part)

    # Other specs made from this one

    def with_packages(self, packages: str | Strings) -> ImageSpec:
        """This spec with more Python packages."""
        return self._extended("packages", packages)

    def with_apt_packages(self, apt_packages: str | Strings) -> ImageSpec:
        """This spec with more Debian packages."""
        return self._extended("apt_packages", apt_packages)

    def with_commands(self, commands: str | Strings) -> ImageSpec:
        """This spec with more commands, run after its own."""
        return self._extended("commands", commands)

    def with_copy(self, src: str | Strings) -> ImageSpec:
        """This spec with more files or folders, relative to the folder of the file that declared it."""
        return self._extended("copy", src)

    def with_runtime_packages(self, runtime_packages: str | Strings) -> ImageSpec:
        """This spec with more packages that are installed when a task starts."""
        return self._extended("runtime_packages", runtime_packages)

    def with_env(self, env: Mapping[str, str]) -> ImageSpec:
        """This spec with more environment variables; one that it has already gets the new value."""
        return self._changed(env={**self.env, **env})

    def with_labels(self, labels: Mapping[str, str]) -> ImageSpec:
        """This spec with more labels; one that it has already gets the new value."""
        return self._changed(labels={**self.labels, **labels})

    def with_annotations(self, annotations: Mapping[str, str]) -> ImageSpec:
        """This spec with more annotations; one that it has already gets the new value."""
        return self._changed(annotations={**self.annotations, **annotations})

    def with_builder_options(self, builder_options: Mapping[str, Any]) -> ImageSpec:
        """This spec with more options for its builder; one that it has already gets the new value."""
        return self._changed(builder_options={**self.builder_options, **builder_options})

    def force_push(self) -> ImageSpec:
        """This spec, to be built and pushed even when its image is there."""
        return self._changed(forced=True)

    @classmethod
    def from_env(
        cls, *, pinned_packages: Strings | None = None, packages: Strings | None = None, **others: Any
    ) -> ImageSpec:
        """A spec with the Python version of this environment, and each of ``pinned_packages`` at the version installed here.

        ``others`` are ImageSpec's own fields, but for ``python_version``.

        Raises:
            SpecError: A package is not installed here, or ``python_version`` is given.
        """
        where = place.caller()
        try:
            python, pins = installed(pinned_packages, others.pop("python_version", None))
        except Refused as refused:
            raise _error(refused, where) from None
        return cls(packages=[*(packages or ()), *pins], python_version=python, where=where, **others)

    def _extended(self, field: str, more: str | Strings) -> ImageSpec:
        if not isinstance(more, (str, list, tuple)):
            raise self._error(
                Refused(field, more, "is neither a string nor a list of strings", fix=f'with_{field}(["..."])')
            )
        return self._changed(**{field: (*getattr(self, field), *([more] if isinstance(more, str) else more))})

    def _changed(self, **changes: Any) -> ImageSpec:
        return replace(self, where=place.caller(), **changes)

    # How

    @property
    def copy_mode(self) -> CopyFileDetection:
        """Which files below the source root go in: as it is said, else by whether there is a source root."""
        if self.source_copy_mode is not None:
            return self.source_copy_mode
        return CopyFileDetection.LOADED_MODULES if self.source_root else CopyFileDetection.NO_COPY

    def _told(self, of: Callable[[ImageSpec], T]) -> T:
        try:
            return of(self)
        except Refused as refused:
            raise self._error(refused) from None

    def _error(self, refused: Refused) -> SpecError:
        return _error(refused, self.where)


def _error(refused: Refused, where: Where) -> SpecError:
    shown = Where(where.file, where.line) if refused.hidden else place.line_with(where, refused.part)
    return SpecError(refused.what, fix=refused.fix, where=shown)


def _differences(before: tuple[Copied, ...], after: tuple[Copied, ...]) -> list[str]:
    return sorted({entry.path for entry in set(before) ^ set(after)})[:5]
