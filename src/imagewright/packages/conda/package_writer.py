"""Writes conda packages into one layer, as conda would lay their files out."""

import hashlib
from collections.abc import Iterator
from dataclasses import field
from typing import IO

from imagewright.dataclass import dataclass
from imagewright.layer.encoder import Encoder
from imagewright.layer.planned import Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID
from imagewright.packages.conda.archive import CHUNK, Member, Package, open_package, refused
from imagewright.packages.conda.conflicts import Claims
from imagewright.packages.conda.install import (
    Placement,
    check_index,
    check_link,
    is_noarch_python,
    launchers,
    placed,
    record,
    record_path,
)
from imagewright.packages.conda.locked import LockedConda
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.packages.conda.paths import PackagePath
from imagewright.packages.conda.prefix import MAX_SIZE, with_prefix


def write_packages(planned: CondaLayer, inputs: Inputs, out: Sink, *, encoder: Encoder) -> DiffID:
    """Write the layer of these packages, by name.

    Raises:
        BuildError: IW303: a package is broken or hostile. What was written to ``out`` is worth nothing then.
        LockError: IW207: two packages have different files for one path.
    """
    placement = Placement(planned.prefix, planned.python)
    claims = Claims()
    with LayerWriter(out, encoder=encoder) as layer:
        for locked in sorted(planned.packages):
            with open_package(inputs.path(locked.file), locked.filename) as package:
                check_index(package, locked)
                _Installation(
                    package, locked, placement, layer, claims, locked.name in planned.allow_bad_record
                ).write()
    return layer.diff_id


@dataclass
class _Installation:
    """One package on its way into a layer."""

    package: Package
    locked: LockedConda
    placement: Placement
    layer: LayerWriter
    claims: Claims
    allow_bad_record: bool
    files: list[tuple[str, PackagePath | None, str]] = field(default_factory=list)
    written: dict[str, PackagePath] = field(default_factory=dict)

    def write(self) -> None:
        listed = placed(self.package, self.placement)
        noarch = is_noarch_python(self.package)
        for member, content in self.package.members():
            path = self.placement.path(self.package, noarch, member.path)
            entry = listed.get(path)
            if entry is None:
                if member.kind != "directory" and not self.allow_bad_record:
                    raise refused(self.package.name, "a file of it is not in its list of files", member.path)
                continue  # conda installs what is listed
            if path in self.written:
                raise refused(self.package.name, "it has a file twice", member.path)
            self.written[path] = entry
            self._add(path, entry, member, content)
        if missing := sorted(listed.keys() - self.written.keys()):
            raise refused(self.package.name, "a file that it lists is not there", missing[0])
        for path, data in launchers(self.package, self.placement).items():
            if path not in listed:  # a package that brings the command itself
                self._made(path, data, 0o755)
                self.files.append((path, None, ""))
        self._made(record_path(self.locked), record(self.package, self.locked, self.files), 0o644)

    def _add(self, path: str, entry: PackagePath, member: Member, content: IO[bytes] | None) -> None:
        kind = "file" if member.kind == "hardlink" else member.kind
        if kind != entry.kind and not self.allow_bad_record:
            raise refused(self.package.name, f"it lists as a {entry.kind} what is a {member.kind}", member.path)
        absolute = f"{self.placement.prefix}/{path}"
        mode = 0o755 if member.executable else 0o644
        digest = entry.sha256
        if member.kind == "directory":
            self.layer.directory(absolute)
        elif not self.claims.take(self.locked.filename, path, entry.content):
            pass  # another package of this layer has the very same file
        elif member.kind == "symlink":
            check_link(self.package, path, member.link)
            self.layer.symlink(absolute, member.link, mtime=member.mtime)
        elif member.kind == "hardlink":
            first = self._linked(member, entry)
            self.layer.hardlink(absolute, f"{self.placement.prefix}/{first}", mode, mtime=member.mtime)
        else:
            assert content is not None
            if entry.placeholder:
                data = self._replaced(entry, member, content)
                digest = hashlib.sha256(data).hexdigest()
                self.layer.file(absolute, data, mode, mtime=member.mtime)
            else:
                chunks = self._checked(entry, member, content)
                self.layer.file(absolute, chunks, mode, size=member.size, mtime=member.mtime)
        self.files.append((path, entry, digest))

    def _linked(self, member: Member, entry: PackagePath) -> str:
        """The file that a hard link is another name of: it has come before, and is changed in the same way."""
        noarch = is_noarch_python(self.package)
        first = self.placement.path(self.package, noarch, member.link)
        before = self.written.get(first)
        if before is None or before.kind != "file" or before.content != entry.content:
            raise refused(
                self.package.name, f"it has a hard link to {member.link[:200]!r}, which is another", member.path
            )
        return first

    def _checked(self, entry: PackagePath, member: Member, content: IO[bytes]) -> Iterator[bytes]:
        """The bytes of a file, which are to be what the package says."""
        if entry.size not in (-1, member.size) and not self.allow_bad_record:
            raise refused(self.package.name, f"it lists {entry.size} bytes for a file of {member.size}", member.path)
        count = hashlib.sha256()
        while chunk := content.read(CHUNK):
            count.update(chunk)
            yield chunk
        if entry.sha256 not in ("", count.hexdigest()) and not self.allow_bad_record:
            raise refused(self.package.name, "a file is not what its digest says", member.path)

    def _replaced(self, entry: PackagePath, member: Member, content: IO[bytes]) -> bytes:
        if member.size > MAX_SIZE:
            raise refused(self.package.name, f"a file of {member.size} bytes has the prefix in it", member.path)
        data = b"".join(self._checked(entry, member, content))
        try:
            return with_prefix(data, entry.placeholder, self.placement.prefix, entry.mode)
        except ValueError as error:
            raise refused(self.package.name, str(error), member.path) from error

    def _made(self, path: str, data: bytes, mode: int) -> None:
        if self.claims.take(self.locked.filename, path, (hashlib.sha256(data).hexdigest(), len(data))):
            self.layer.file(f"{self.placement.prefix}/{path}", data, mode)
