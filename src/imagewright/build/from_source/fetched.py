"""A source as one archive on this machine, and all that is to be known of it: its digest, or its commit."""

import tarfile
from dataclasses import replace
from pathlib import Path

from imagewright.build.download import Downloads
from imagewright.build.from_source.git import Repositories
from imagewright.dataclass import dataclass
from imagewright.errors import LockError, Where
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.packages.pypi.source import Source
from imagewright.spec.files import Copied, CopiedFile, spelled
from imagewright.spec.requirements import project_files

_TIME = 315532800  # 1980-01-01, the first day that a zip can hold


@dataclass(frozen=True, slots=True)
class Fetched:
    """``name`` is the archive's file name, by which its kind is known."""

    source: Source
    archive: Path
    name: str


def fetch(
    source: Source, root: Path, inputs: Downloads, repositories: Repositories, work: Path, where: Where | None
) -> Fetched:
    """Have a source here. Folders are relative to ``root``; what has to be written goes into the empty folder ``work``.

    Raises:
        LockError: It is not there (IW205, IW208).
        NetworkError, CredentialsError, IntegrityError: It cannot be had, or is not what was locked.
    """
    match source.kind:
        case "sdist":
            file = inputs.pin(source.url, source.digest)
            name = source.url.rpartition("/")[2] or "source.tar.gz"
            return Fetched(replace(source, digest=file.digest), inputs.path(file), name)
        case "folder":
            return _folder(source, root, work, where)
        case "git":
            locked = repositories.locked(source, where)
            archive = work / "source.tar"
            repositories.archive(locked, archive, work, where)
            return Fetched(locked, archive, archive.name)


def _folder(source: Source, root: Path, work: Path, where: Where | None) -> Fetched:
    """All files of a folder that are not ignored: those that are part of the image's identity."""
    folder = Path(root / source.url).resolve()
    if not folder.is_dir():
        raise LockError(f"there is no folder {folder}", code="IW205", fix="correct the path", where=where)
    files = project_files(folder)
    digest = digest_of(canonical_json(spelled(files)))
    archive = work / "source.tar"
    with tarfile.open(archive, "w") as tar:
        for entry in files:
            _add(tar, entry)
    return Fetched(replace(source, digest=digest), archive, archive.name)


def _add(tar: tarfile.TarFile, entry: Copied) -> None:
    member = tarfile.TarInfo(f"source/{entry.path}")
    member.mtime = _TIME
    if not isinstance(entry, CopiedFile):
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
        tar.addfile(member)
        return
    member.mode = 0o755 if entry.executable else 0o644
    member.size = entry.size
    with open(entry.source, "rb") as file:
        tar.addfile(member, file)
