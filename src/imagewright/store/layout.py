"""The local store: an OCI image layout in a folder, for several processes at once."""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import hex_of
from imagewright.store.contents import blobs_of, is_manifest
from imagewright.store.ingest import Ingest, cannot, scratch_name
from imagewright.store.verify import verified

REF_NAME = "org.opencontainers.image.ref.name"
CHUNK = 1 << 20
YOUNG_SECONDS = 3600.0

_INGEST = ".ingest"
_QUARANTINE = ".quarantine"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the local store: its ``repository:tag`` and what that points to."""

    name_tag: str
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class Usage:
    """A number of blobs and their bytes together."""

    blobs: int
    size: int


class Layout:
    """A folder of blobs by digest and an index of tags, which skopeo and others read as ``oci:FOLDER:repository:tag``.

    A blob gets its name by a rename when all of it is there, so a process may be killed at any time. Single blobs are
    not synced to disk: every `fetch` checks them, and all are synced before a tag points to them, so a tag survives a
    power cut and a blob without one is at worst written again. Source: OCI image-spec v1.1, image-layout.md.

    Safe to share between threads and processes.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._clock = clock

    def path(self, blob: Descriptor) -> Path:
        """Where the blob's file is, or would be. Nothing was checked."""
        return self._blobs / hex_of(blob.digest)

    def exists(self, blob: Descriptor) -> bool:
        """Whether it has a blob of that digest and size; `prune` then leaves it alone for an hour."""
        path = self.path(blob)
        now = self._clock()
        with suppress(OSError):  # it may not be there, or be another user's to write
            os.utime(path, (now, now))
        try:
            return path.stat().st_size == blob.size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise cannot("read", self.root, error) from error

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked. One with other bytes is moved out of the way, so that it can be written again."""
        path = self.path(blob)
        try:
            with path.open("rb", buffering=0) as file:
                yield from verified(blob, iter(lambda: file.read(CHUNK), b""), str(path))
        except IntegrityError as error:
            self._quarantine(path)
            raise IntegrityError(
                error.what,
                why=error.why,
                kept="the damaged file was put out of the way",
                fix="run the same command again: what is missing is built anew",
            ) from error
        except FileNotFoundError as error:
            raise StoreError(f"there is no blob {blob.digest} in the local store", why=f"looked at {path}") from error
        except OSError as error:
            raise cannot("read", self.root, error) from error

    def read_back(self, blob: Descriptor) -> Iterator[bytes]:
        """The bytes of a blob that this process has just written: whoever takes them hashes them, as every registry does."""
        try:
            with self.path(blob).open("rb", buffering=0) as file:
                yield from iter(lambda: file.read(CHUNK), b"")
        except OSError as error:
            raise cannot("read", self.root, error) from error

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Take a blob in, unless it is there; a manifest only after all that it names."""
        if self.exists(blob):
            return
        if is_manifest(blob):
            chunks = [b"".join(verified(blob, chunks, "what was to be stored"))]
            self._check_named(blob, chunks[0])
        with self.ingest() as ingest:
            for chunk in verified(blob, chunks, "what was to be stored"):
                ingest.write(chunk)
            ingest.commit(blob.media_type)

    @contextmanager
    def ingest(self) -> Iterator[Ingest]:
        """A new blob, whose digest is not known before it is written. Without a commit nothing is kept."""
        self._prepare()
        ingest = Ingest(self.root / _INGEST, self._blobs)
        try:
            yield ingest
        finally:
            ingest.close()

    def resolve(self, tag: str) -> Descriptor | None:
        """What ``tag`` (``repository:tag``) points to, or None; also when a part of the image has gone or is damaged."""
        found = next((image.descriptor for image in self.images() if image.name_tag == tag), None)
        return found if found is not None and self._is_whole(found) else None

    def images(self) -> list[StoredImage]:
        """Everything that has a tag, sorted by it."""
        named = ((entry.annotations.get(REF_NAME), entry) for entry in self._index())
        images = [StoredImage(name, _without_name(entry)) for name, entry in named if name]
        return sorted(images, key=lambda image: image.name_tag)

    def recent(self, repository: str) -> list[Descriptor]:
        """The images with a tag ``repository:...``, the one that was tagged last first."""
        named = [entry for entry in self._index() if entry.annotations.get(REF_NAME, "").startswith(f"{repository}:")]
        return [_without_name(entry) for entry in reversed(named)]

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None, *, durable: bool = True) -> None:
        """Let ``tag`` point to a manifest that is here or comes with it, with all that it names, all of it on disk.

        What a registry has as well need not be ``durable``: nothing waits for the disk then. After a power cut blobs
        may be gone, and the tag is one whose image is not here.
        """
        if content is not None:
            self.push(manifest, [content])
        self._prepare()
        with self._locked():
            if not self.path(manifest).exists():
                raise StoreError(f"there is no manifest {manifest.digest} in the local store to tag as {tag}")
            self._check_named(manifest, b"".join(self.fetch(manifest)))
            if (current := self.resolve(tag)) is not None and current == manifest:
                return
            entry = replace(manifest, annotations={**manifest.annotations, REF_NAME: tag})
            others = [other for other in self._index() if other.annotations.get(REF_NAME) != tag]
            if durable:
                self._sync()
            self._write_index([*others, entry])

    def untag(self, tag: str) -> bool:
        """Forget ``tag``, and say whether there was one. Its blobs stay until `prune`."""
        with self._locked():
            entries = self._index()
            others = [other for other in entries if other.annotations.get(REF_NAME) != tag]
            if len(others) < len(entries):
                self._write_index(others)
            return len(others) < len(entries)

    def usage(self) -> Usage:
        """All blobs."""
        sizes = [entry.stat().st_size for entry in _files(self._blobs)]
        return Usage(len(sizes), sum(sizes))

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While the body runs, `prune` throws nothing away. Take it before the first blob is asked for."""
        self._prepare()
        with self._flock("lease", fcntl.LOCK_SH):
            yield

    def prune(self) -> Usage:
        """Throw away what no tag reaches, and say how much that was. Blobs that were of use within the hour stay.

        Raises:
            StoreError: A build holds a lease.
        """
        self._prepare()
        with self._flock("lease", fcntl.LOCK_EX | fcntl.LOCK_NB), self._locked():
            kept = self._reachable()
            old = self._clock() - YOUNG_SECONDS
            thrown: list[int] = []
            for folder in (self._blobs, self.root / _INGEST, self.root / _QUARANTINE):
                for entry in _files(folder):
                    state = entry.stat()
                    if entry.name not in kept and state.st_mtime < old:
                        os.unlink(entry)
                        thrown.append(state.st_size)
            return Usage(len(thrown), sum(thrown))

    def _reachable(self) -> set[str]:
        """The file names of all blobs that the index leads to."""
        found: set[str] = set()
        waiting = list(self._index())
        while waiting:
            blob = waiting.pop()
            if hex_of(blob.digest) in found:
                continue
            found.add(hex_of(blob.digest))
            if is_manifest(blob) and self.path(blob).exists():
                waiting.extend(blobs_of(blob, b"".join(self.fetch(blob))))
        return found

    def _is_whole(self, manifest: Descriptor) -> bool:
        """Whether it can be read, and all that it names is there. Of layers only the size is looked at."""
        try:
            parts = blobs_of(manifest, b"".join(self.fetch(manifest)))
        except (StoreError, IntegrityError):
            return False
        return all(self.exists(part) and (not is_manifest(part) or self._is_whole(part)) for part in parts)

    def _check_named(self, manifest: Descriptor, data: bytes) -> None:
        for part in blobs_of(manifest, data):
            if not self.exists(part):
                raise StoreError(f"manifest {manifest.digest} names {part.digest}, which is not in the local store")

    def _index(self) -> list[Descriptor]:
        path = self.root / "index.json"
        try:
            document = json.loads(path.read_bytes())
            return [Descriptor.from_json(entry) for entry in document["manifests"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise cannot("read", self.root, error) from error
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"the local store's list of images cannot be read: {path}",
                why=str(error),
                fix=f"rm {path}   (the blobs stay, and the next build names its image again)",
            ) from error

    def _write_index(self, entries: Iterable[Descriptor]) -> None:
        manifests = [entry.to_json() for entry in entries]
        self._replace("index.json", {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": manifests})

    def _replace(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a file whole: whoever reads sees the old one or the new one, also after a power cut."""
        temporary = self.root / _INGEST / scratch_name()
        try:
            with temporary.open("xb") as file:
                file.write(json.dumps(document, separators=(",", ":")).encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.root / name)
            with self._folder() as folder:
                os.fsync(folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise cannot("write", self.root, error) from error

    def _prepare(self) -> None:
        if (self.root / "index.json").exists() and (self.root / _INGEST).is_dir():
            return
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            (self.root / _INGEST).mkdir(exist_ok=True)
        except OSError as error:
            raise cannot("write", self.root, error) from error
        with self._locked():
            self._replace("oci-layout", {"imageLayoutVersion": "1.0.0"})
            if not (self.root / "index.json").exists():
                self._write_index([])

    def _quarantine(self, path: Path) -> None:
        """Move a damaged blob out of the way; one that is sound stays, for then it was the descriptor that lied."""
        with suppress(OSError):  # the damage is reported anyway
            with path.open("rb") as file:
                sound = hashlib.file_digest(file, "sha256").hexdigest() == path.name
            if not sound:
                folder = self.root / _QUARANTINE
                folder.mkdir(exist_ok=True)
                path.replace(folder / f"{path.name}-{scratch_name()}")

    def _sync(self) -> None:
        """Everything written so far is on disk when this returns: one call for all blobs, not one for each."""
        import ctypes  # 1 ms, where something is synced

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
            return
        with self._folder() as folder:
            if syncfs(folder) != 0:
                raise cannot("write", self.root, OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))

    @contextmanager
    def _folder(self) -> Iterator[int]:
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the index, among all threads and processes."""
        with self._flock("lock", fcntl.LOCK_EX):
            yield

    @contextmanager
    def _flock(self, name: str, operation: int) -> Iterator[None]:
        # Each call opens the file anew, so that threads of one process exclude each other as well.
        try:
            file = os.open(self.root / f".{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise cannot("write", self.root, error) from error
        try:
            try:
                fcntl.flock(file, operation)
            except BlockingIOError as error:
                what = f"the local store in {self.root} is in use by a build"
                raise StoreError(what, fix="try again when the build has ended") from error
            yield
        finally:
            os.close(file)


def _without_name(entry: Descriptor) -> Descriptor:
    return replace(entry, annotations={name: text for name, text in entry.annotations.items() if name != REF_NAME})


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The regular files in a folder, which need not exist."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return
