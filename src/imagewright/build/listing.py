"""Which of the user's own files go into an image, and which are left out, by what."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.spec import ImageSpec
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.files import Copied, on_disk, source_root_of, walk
from imagewright.spec.ignore import GENERATED_REASON, Ignores, is_generated

ENVIRONMENT = "a virtual environment, which is this machine's"
NO_FILE = "neither a file nor a link to something"


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A path below ``source_root`` or what ``copy`` names, and what leaves it out. A folder ends with ``/``, for all in it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one image, sorted by path."""

    copied: tuple[Copied, ...]
    left_out: tuple[LeftOut, ...]


def listing_of(spec: ImageSpec) -> Listing:
    """The files of a spec: those that its digest speaks of, and the others of the same folders.

    Raises:
        SpecError: A file that the spec names is not there.
    """
    copied = spec.copied
    going_in = {entry.path for entry in copied}
    out = {one.path: one for one in (*_of_source(spec), *_of_copy(spec)) if one.path not in going_in}
    return Listing(copied, tuple(sorted(out.values())))


def _of_source(spec: ImageSpec) -> Iterator[LeftOut]:
    mode = spec.copy_mode
    if mode is CopyFileDetection.NO_COPY:
        return
    top = os.path.realpath(
        spec.directory / spec.source_root if spec.source_root else source_root_of(spec.where.file, spec.directory)
    )
    others, out = _walked(top, Ignores(Path(top)).why)
    yield from out
    if mode is CopyFileDetection.LOADED_MODULES:
        declared_in = Path(spec.where.file).name
        known = {one.path for one in out}
        for path in (path for path in others if path not in known):
            yield LeftOut(path, f'{declared_in} does not import it; source_copy_mode="all" takes it')


def _of_copy(spec: ImageSpec) -> Iterator[LeftOut]:
    def why(path: str, is_folder: bool) -> str | None:
        return GENERATED_REASON if is_generated(path.rpartition("/")[2], is_folder) else None

    for named in spec.copy:
        top = os.path.join(spec.directory, on_disk(named))
        if os.path.isdir(top):
            prefix = "" if named == "." else f"{named}/"
            yield from (LeftOut(prefix + one.path, one.reason) for one in _walked(top, why)[1])


def _walked(top: str, why: Callable[[str, bool], str | None]) -> tuple[list[str], list[LeftOut]]:
    """The files below a folder that nothing leaves out, and what is left out."""
    out: list[LeftOut] = []

    def ignored(path: str, is_folder: bool) -> bool:
        reason = why(path, is_folder)
        if reason is not None:
            out.append(LeftOut(f"{path}/" if is_folder else path, reason))
        return reason is not None

    files = list(walk(top, ignored, lambda path: out.append(LeftOut(f"{path}/", ENVIRONMENT))))
    out += [LeftOut(path, NO_FILE) for path in files if not _goes_in(os.path.join(top, on_disk(path)))]
    return files, out


def _goes_in(path: str) -> bool:
    """As `imagewright.spec.files.describe` has it, without reading the file."""
    return os.path.exists(path) if os.path.islink(path) else os.path.isfile(path)
