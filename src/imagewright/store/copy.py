"""Bring an image from one store to another."""

import threading
from collections.abc import Callable, Iterator

from imagewright.errors import NetworkError
from imagewright.events import BlobPushed, Listener, nobody
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.parallel import run_all
from imagewright.store.contents import is_manifest, reachable, read_manifest
from imagewright.store.protocol import BlobSource, BlobStore, ImageStore
from imagewright.store.verify import DamagedInTransit, Fetched

JOBS = 4
MANIFEST_TRIES = 4


def copy_image(
    source: BlobSource,
    destination: ImageStore,
    manifest: Descriptor,
    *,
    tag: str = "",
    jobs: int = JOBS,
    listen: Listener = nobody,
    mount: Callable[[Descriptor], bool] = lambda blob: False,
) -> None:
    """Push what ``destination`` has not of an image (or an index of images), and let ``tag`` point to it.

    Layers and configs go first, at most ``jobs`` at once and each digest once, then manifests, the tag last: no tag
    ever dangles. Blobs are streamed: none is held in memory whole. Safe to repeat after a failure. ``mount`` may have a
    blob that is not there taken over without its bytes being sent, and says whether it did.

    Raises:
        NetworkError, CredentialsError, StoreError, IntegrityError: As the stores do. ``kept`` says what has arrived.
    """
    source = ManifestsOnce(source)
    blobs, manifests = reachable(source, manifest)
    # A large layer that is begun last would be waited for alone.
    largest_first = sorted(blobs, key=lambda blob: -blob.size)
    carrier = _Carrier(source, destination, len(blobs), listen, mount)
    try:
        for remaining in reversed(range(MANIFEST_TRIES)):
            run_all(carrier.carry, largest_first, jobs=jobs)
            try:
                run_all(carrier.carry, manifests[:-1] if tag else manifests, jobs=1)
                if tag:
                    destination.tag(manifest, tag, read_manifest(source, manifest))
                    listen(BlobPushed(manifest, "uploaded"))
                return
            except NetworkError as error:
                # The registry misses something that it said it has: ask for every blob again. docker-registry 2.8.2
                # does so for a moment when another process pushes the same blobs (its link files are not atomic).
                if error.code != "IW503" or not remaining:
                    raise
    except NetworkError as error:
        error.kept = error.kept or carrier.kept()
        raise


class _Carrier:
    """Carries blobs one by one and remembers how many have arrived."""

    def __init__(
        self,
        source: BlobSource,
        destination: BlobStore,
        total: int,
        listen: Listener,
        mount: Callable[[Descriptor], bool],
    ) -> None:
        self._source, self._destination, self._total, self._listen = source, destination, total, listen
        self._mount = mount
        self._lock = threading.Lock()
        self._arrived: set[Digest] = set()

    def carry(self, blob: Descriptor) -> None:
        chunks = Fetched(self._source, blob)
        mounted = not is_manifest(blob) and self._mount(blob)
        if not mounted:
            try:
                self._destination.push(blob, chunks)
            except DamagedInTransit:  # nothing of it was kept
                self._destination.push(blob, chunks)
        with self._lock:
            known = blob.digest in self._arrived
            if not is_manifest(blob):
                self._arrived.add(blob.digest)
        if not known or chunks.read:
            self._listen(BlobPushed(blob, "mounted" if mounted else "uploaded" if chunks.read else "present"))

    def kept(self) -> str:
        arrived, missing = len(self._arrived), self._total - len(self._arrived)
        if not arrived:
            return ""
        rest = f"; the next push sends only the other {missing}" if missing else ""
        return f"{arrived} of {self._total} blobs are there{rest}"


class ManifestsOnce:
    """A source that is asked for each manifest once."""

    def __init__(self, source: BlobSource) -> None:
        self._source = source
        self._kept: dict[Digest, bytes] = {}

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes."""
        if not is_manifest(blob):
            return self._source.fetch(blob)
        if blob.digest not in self._kept:
            self._kept[blob.digest] = b"".join(self._source.fetch(blob))
        return iter((self._kept[blob.digest],))
