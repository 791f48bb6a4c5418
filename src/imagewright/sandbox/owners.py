"""Owners in a layer that an ordinary user made: there all files are this user's, so what was below says whose they are."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from imagewright.dataclass import dataclass
from imagewright.layer.read import uncompressed
from imagewright.sandbox.difference import Change
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.sandbox.tar import TarReader, TarSource


@dataclass(frozen=True, slots=True)
class _Owned:
    mode: int
    uid: int
    gid: int


def with_owners(changes: Iterable[Change], layers: Sequence[StoredLayer]) -> list[Change]:
    """The changes with owners for an image: of what is new root, of what is changed those that ``layers`` say.

    The mode of what is changed is that of the layers, too, where the command left it as it was: an ordinary user's
    folders have other ones (`imagewright.sandbox.unpack`).
    """
    found = list(changes)
    known = _owned({change.path for change in found if change.below}, layers)
    return [_owned_by(change, known.get(change.path)) for change in found]


def _owned_by(change: Change, known: _Owned | None) -> Change:
    if known is None:
        return replace(change, uid=0, gid=0)
    return replace(change, uid=known.uid, gid=known.gid, mode=known.mode if change.same_mode else change.mode)


def _owned(paths: Collection[str], layers: Sequence[StoredLayer]) -> dict[str, _Owned]:
    wanted = {path.encode(): path for path in paths}
    found: dict[str, _Owned] = {}
    if not wanted:
        return found
    for layer in layers:
        for entry in TarReader(TarSource(uncompressed(layer.chunks(), layer.media_type))):
            path = wanted.get(entry.name.removeprefix(b"./").strip(b"/"))
            if path is not None and not entry.is_hardlink:
                found[path] = _Owned(entry.mode & 0o7777, entry.uid, entry.gid)
    return found
