"""Root filesystems: each layer unpacked once per diff_id, and the folders that overlayfs stacks for an image."""

import ctypes
import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, StoreError
from imagewright.layer.read import uncompressed
from imagewright.oci.digest import DiffID, digest_of, hex_of
from imagewright.parallel import cores, run_all
from imagewright.sandbox.merge import merge
from imagewright.sandbox.names import Refused
from imagewright.sandbox.removal import remove
from imagewright.sandbox.spread import spread
from imagewright.sandbox.stack import OPTIONS_LIMIT, Stack, options_size
from imagewright.sandbox.tar import BadTar, TarReader, TarSource
from imagewright.sandbox.unpack import Unpacked, unpack

ROOTFS = "rootfs"
"""The cache's folder of unpacked layers; those of a namespace are beside it, and nobody outside of it can remove them."""

_FORMAT = 2  # of a folder: counted up when `unpack` makes another one of the same layer
_SETTLED_AFTER = 60.0  # seconds: by then the kernel has written by itself what there is to write


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer as a store has it. ``chunks`` opens its stored bytes anew each time it is called."""

    diff_id: DiffID
    media_type: str
    chunks: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class _Record:
    """What is known of a folder that is complete. ``boot`` is the boot in which it was made, "" once it is on disk for sure."""

    unpacked: Unpacked
    boot: str


class Rootfs:
    """The unpacked layers below one folder, for this user alone. Safe to share between threads and processes.

    A folder that was made is not forced to disk, which would double the time of a first start. Instead it counts only
    in the boot that made it, until a later use has forced what the kernel had not written by then.

    ``keep_owners``: files get the owners that their layers say; the default is what this process is allowed to. Nobody
    else reaches the folder, so files may have the setuid bits and capabilities of their layers.
    """

    def __init__(self, folder: Path, *, keep_owners: bool | None = None) -> None:
        self._folder = Path(os.path.realpath(folder))  # as bwrap will name it
        self._keep_owners = os.geteuid() == 0 if keep_owners is None else keep_owners

    @property
    def folder(self) -> Path:
        """Where the unpacked layers are."""
        return self._folder

    def prepare(self, layers: Sequence[StoredLayer], *, jobs: int | None = None) -> Stack:
        """The folders of these layers, lowest first; what is missing is unpacked, ``jobs`` layers at once.

        An image's mount options have to fit into one page, which 60 layers' names need not. The lowest layers are then
        merged into one folder, as many as it takes.

        Raises:
            IntegrityError: A layer is not what its diff_id says, or has entries that must not be unpacked.
            StoreError: There is no space, or no right to write.
        """
        with self._writing():
            self._make_private()
            distinct = list({layer.diff_id: layer for layer in layers}.values())
            made = dict(
                zip(
                    [layer.diff_id for layer in distinct],
                    run_all(self._layer, distinct, jobs=jobs or cores()),
                    strict=True,
                )
            )
            # overlayfs takes no folder twice. What a layer does is done again by its last place, whatever lies between.
            last = {layer.diff_id: at for at, layer in enumerate(layers)}
            kept = [layer.diff_id for at, layer in enumerate(layers) if last[layer.diff_id] == at]
            return self._stack([(diff_id, made[diff_id]) for diff_id in kept])

    def derived(self, name: str, make: Callable[[str], int] | None = None) -> str | None:
        """The folder ``name``, which something else than a layer fills: ``make`` does so and returns its bytes.

        It is None when it is not there: without ``make``, or when another process is making it, which is not waited for.
        `prune` always removes it.
        """
        with self._writing():
            record = self._read(name)
            if record is None and make is not None:
                record = self._derive(name, make)
            elif record is not None and record.boot:
                self._settle(name, record)
            return str(self._folder / name) if record is not None else None

    def _derive(self, name: str, make: Callable[[str], int]) -> _Record | None:
        locks = self._folder / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(_locked(locks / f"derived-{name[-2:]}", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                return None
            return self._read(name) or self._make(name, lambda folder: Unpacked(0, make(folder)))

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While it is held, `prune` removes nothing."""
        with self._writing():
            self._make_private()
        with _locked(self._folder / "lease", fcntl.LOCK_SH):
            yield

    def size(self) -> int:
        """The bytes of the unpacked files. Hard links count once."""
        return sum(record.unpacked.size for _, record in self._records())

    def prune(self, keep: Collection[DiffID] = ()) -> int:
        """Remove the layers that are not in ``keep``, and all merged folders; the bytes that were freed.

        Nothing is removed while a sandbox runs.
        """
        if not self._folder.is_dir():
            return 0
        kept = {hex_of(diff_id) for diff_id in keep}
        try:
            with _locked(self._folder / "lease", fcntl.LOCK_EX | fcntl.LOCK_NB):
                freed = sum(record.unpacked.size for name, record in self._records() if name not in kept)
                for path in sorted(self._folder.iterdir(), reverse=True):  # a record goes before its folder
                    if path.name in ("lease", "locks") or path.name.partition(".")[0] in kept:
                        continue
                    if path.is_dir():
                        remove([str(path)])
                    else:
                        path.unlink()
                return freed
        except BlockingIOError:
            return 0

    def _make_private(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_mode & 0o077:
            self._folder.chmod(0o700)
        spread(str(self._folder))

    def _records(self) -> Iterator[tuple[str, _Record]]:
        if self._folder.is_dir():
            for path in self._folder.glob("*.json"):
                if (record := self._read(path.stem)) is not None and not path.stem.startswith("chain-"):
                    yield path.stem, record

    def _layer(self, layer: StoredLayer) -> Unpacked:
        name = hex_of(layer.diff_id)
        return self._once(name, lambda folder: self._unpack(layer, folder))

    def _unpack(self, layer: StoredLayer, folder: str) -> Unpacked:
        source = TarSource(uncompressed(layer.chunks(), layer.media_type))
        try:
            unpacked = unpack(TarReader(source), folder, keep_owners=self._keep_owners)
        except (BadTar, Refused, IntegrityError) as error:
            _read_whole(layer)
            if isinstance(error, IntegrityError):
                raise
            raise IntegrityError(
                f"layer {layer.diff_id} cannot be unpacked safely",
                code="IW303",
                why=str(error),
                kept="nothing of it was kept",
                fix="build the image anew; if it came from a registry, ask who made it",
            ) from error
        if source.diff_id != layer.diff_id:
            raise IntegrityError(
                f"a layer is not what its image says: {layer.diff_id}",
                why=f"its uncompressed tar has the digest {source.diff_id}",
                kept="nothing of it was kept",
                fix="build the image anew, or pull it again",
            )
        return unpacked

    def _stack(self, layers: Sequence[tuple[DiffID, Unpacked]]) -> Stack:
        hidden = max((number for number, (_, made) in enumerate(layers) if "" in made.opaque), default=0)
        layers = layers[hidden:]  # overlayfs merges the layers' roots whatever they say
        # A layer that comes again says again all that it said: overlayfs takes no folder twice.
        layers = [one for at, one in enumerate(layers) if one[0] not in {later for later, _ in layers[at + 1 :]}]
        folders = [str(self._folder / hex_of(diff_id)) for diff_id, _ in layers]
        merged = _needs_merge(folders, [made for _, made in layers])
        while (
            merged < len(layers)
            and options_size([*([str(self._folder / f"chain-{'0' * 64}")] if merged else []), *folders[merged:]])
            > OPTIONS_LIMIT
        ):
            merged += 1
        if merged < 2:
            return Stack(tuple(folders))
        name = "chain-" + hex_of(_chain_id([diff_id for diff_id, _ in layers[:merged]]))
        parts = [(folder, made) for folder, (_, made) in zip(folders, layers[:merged], strict=False)]

        def make(folder: str) -> Unpacked:
            merge(parts, folder, keep_owners=self._keep_owners)
            return Unpacked(0, 0)

        self._once(name, make)
        return Stack((str(self._folder / name), *folders[merged:]))

    def _once(self, name: str, make: Callable[[str], Unpacked]) -> Unpacked:
        """What ``make`` says of the folder ``name``, which it fills if no process has done so."""
        record = self._read(name)
        if record is None:
            locks = self._folder / "locks"
            locks.mkdir(mode=0o700, exist_ok=True)
            with _locked(locks / name[-2:], fcntl.LOCK_EX):
                record = self._read(name) or self._make(name, make)
        elif record.boot:
            self._settle(name, record)
        return record.unpacked

    def _make(self, name: str, make: Callable[[str], Unpacked]) -> _Record:
        part, final = str(self._folder / f"{name}.part"), self._folder / name
        remove([part, str(final)])  # left by a process that was killed, or by a power cut
        os.mkdir(part, 0o700)
        try:
            record = _Record(make(part), _boot())
            os.rename(part, final)
        except BaseException:
            remove([part])
            raise
        self._write(name, record)
        return record

    def _settle(self, name: str, record: _Record) -> None:
        path = self._folder / f"{name}.json"
        try:
            if time.time() - path.stat().st_mtime < _SETTLED_AFTER:
                return
        except FileNotFoundError:
            return
        _sync(self._folder)
        self._write(name, replace(record, boot=""))

    def _read(self, name: str) -> _Record | None:
        try:
            document = json.loads((self._folder / f"{name}.json").read_bytes())
            if document["format"] != _FORMAT or document["boot"] not in ("", _boot()):
                return None
            made = document["unpacked"]
            unpacked = Unpacked(made["files"], made["size"], tuple(made["implied"]), tuple(made["opaque"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return _Record(unpacked, document["boot"]) if (self._folder / name).is_dir() else None

    def _write(self, name: str, record: _Record) -> None:
        document = {"format": _FORMAT, "boot": record.boot, "unpacked": asdict(record.unpacked)}
        part = self._folder / f"{name}.{os.getpid()}.{threading.get_ident()}.json-part"
        with part.open("w") as file:
            json.dump(document, file)
            file.flush()
            if not record.boot:
                os.fsync(file.fileno())
        part.rename(self._folder / f"{name}.json")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise StoreError(
                f"no space is left to unpack an image below {self._folder}" if full else f"cannot write {self._folder}",
                code="IW522" if full else "IW520",
                why=str(error),
                kept="the image is complete in the local store; layers that were unpacked are kept",
                fix="imagewright cache prune, or set IMAGEWRIGHT_CACHE_DIR to a folder with more space"
                if full
                else "set IMAGEWRIGHT_CACHE_DIR to a folder that you may write",
            ) from error


def _read_whole(layer: StoredLayer) -> None:
    """Let its store look at all the bytes: one that finds them damaged says so, and can get rid of them."""
    with suppress(StoreError):  # it has said so, and they are gone
        for _ in layer.chunks():
            pass


def _needs_merge(folders: Sequence[str], made: Sequence[Unpacked]) -> int:
    """How many of the lowest layers cannot be stacked as they are.

    A directory that a layer only implies has some mode and owner in its folder, and overlayfs would show these instead
    of what a lower layer says.
    """
    for number in range(len(folders) - 1, 0, -1):
        for name in made[number].implied:
            if not name:
                continue
            mine = os.lstat(os.path.join(folders[number], name))
            for below in folders[:number]:
                try:
                    other = os.lstat(os.path.join(below, name))
                except OSError:
                    continue
                if (mine.st_mode, mine.st_uid, mine.st_gid) != (other.st_mode, other.st_uid, other.st_gid):
                    return number + 1
    return 0


def _chain_id(diff_ids: Sequence[DiffID]) -> str:
    """Source: OCI image-spec v1.1, config.md, "Layer ChainID"."""
    chain: str = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = digest_of(f"{chain} {diff_id}".encode())
    return chain


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _sync(folder: Path) -> None:
    """Force the filesystem that ``folder`` is on to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", str(folder))
    finally:
        os.close(descriptor)
