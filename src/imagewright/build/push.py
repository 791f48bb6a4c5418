"""What carries a build's layers to where its image goes."""

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from imagewright.build.destination import Place
from imagewright.build.given import GivenLayer
from imagewright.errors import CredentialsError, ImagewrightError, IntegrityError, NetworkError, StoreError
from imagewright.events import BlobPushed, LayerReady, Listener
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.image import Image
from imagewright.store.contents import blobs_of, read_manifest
from imagewright.store.copy import copy_image
from imagewright.store.gathered import Gathered
from imagewright.store.ingest import Ingest
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource
from imagewright.store.registry.repository import Repository
from imagewright.store.verify import Fetched

if TYPE_CHECKING:
    from imagewright.store.registry.early import EarlyUpload

EARLY_BYTES = 64 << 20
"""From which size on a layer is sent while it is written. Smaller ones are many: while one is sent another is written, and a build of
numpy, pandas, scikit-learn and pyarrow takes 1.94 s instead of 2.13 s when each is sent once it is whole."""

UNASKED_BYTES = 64 << 10
"""Up to which size a blob that was only just made is sent without asking for it first: the request takes longer."""

RECALLED = 16
"""How many of the images that were pushed to the repository last are looked at for layers in common."""

WORTH_RECALLING = 2
"""How many layers in common make one request for an image cheaper than one for each layer."""


class _JustWritten:
    """The local store as a source of what was hashed a moment ago, for a registry, which hashes it again."""

    def __init__(self, store: Layout) -> None:
        self._store = store

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        return self._store.read_back(blob)


class Pusher:
    """Sends layers to a destination until that fails; from then on they are only written here, and nothing is lost."""

    def __init__(self, store: Layout, base: BlobSource | None, destination: Place | None, listen: Listener) -> None:
        self._store, self._base, self._destination, self._listen = store, base, destination, listen
        self._failure: ImagewrightError | None = None

    @property
    def repository(self) -> Repository | None:
        """Where it sends to, when that is a registry's."""
        store = self._destination and self._destination.store
        return store if isinstance(store, Repository) else None

    @property
    def failed(self) -> bool:
        """Whether something could not be sent."""
        return self._failure is not None

    def recall(self, layers: Collection[Layer]) -> None:
        """Ask for the image there that has most of these layers: one request then says that they are all there."""
        repository = self.repository
        if repository is None or len(layers) < WORTH_RECALLING:
            return
        wanted = {layer.descriptor.digest for layer in layers}
        best: tuple[int, Descriptor, tuple[Descriptor, ...]] | None = None
        for image in self._store.recent(f"{repository.registry}/{repository.repository}")[:RECALLED]:
            try:
                named = blobs_of(image, read_manifest(self._store, image))
            except (StoreError, IntegrityError):
                continue  # pruned, or damaged: then each layer is asked for
            shared = len(wanted & {blob.digest for blob in named})
            if shared >= WORTH_RECALLING and (best is None or shared > best[0]):
                best = shared, image, named
        if best is not None:
            with self._failing():
                repository.claim(best[1], best[2])

    @contextmanager
    def meanwhile(self, blob: Ingest, size: int) -> "Iterator[Ingest | EarlyUpload]":
        """What to write a new blob to: a large one (``size`` is an estimate, in bytes) is sent while it is written."""
        repository = self.repository
        if repository is None or size < EARLY_BYTES or self._failure is not None:
            yield blob
            return
        from imagewright.store.registry.early import early_upload

        with early_upload(repository, blob) as upload:
            yield upload

    def finished(self, out: "Ingest | EarlyUpload", blob: Descriptor) -> bool:
        """Whether the blob was sent while it was written to ``out``."""
        if isinstance(out, Ingest):
            return False
        sent = False
        with self._failing():
            sent = out.finish(blob)
        if sent:
            self._listen(BlobPushed(blob, "uploaded"))
        return sent

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Keep a failure for later: nothing is pushed from then on."""
        try:
            yield
        except (CredentialsError, NetworkError) as error:
            self._failure = self._failure or error

    def push(self, blob: Descriptor, *, new: bool = False) -> bool:
        """Send a layer of the local store, and say whether that was needed. ``new``: nobody else is likely to have made it."""
        if self._destination is None or self._failure is not None:
            return False
        to_registry = new and self.repository is not None
        chunks = Fetched(_JustWritten(self._store) if to_registry else self._store, blob)
        with self._failing():
            self._push(blob, chunks, new)
            self._listen(BlobPushed(blob, "uploaded" if chunks.read else "present"))
            return chunks.read
        return False

    def send_config(self, image: Image) -> None:
        """Send an image's config, which is made when all layers are and need not wait for them to arrive."""
        if self._destination is not None and self._failure is None:
            with self._failing():
                self._push(image.config_descriptor, [image.config], new=True)

    def _push(self, blob: Descriptor, chunks: Iterable[bytes], new: bool) -> None:
        assert self._destination is not None
        store = self._destination.store
        if isinstance(store, Repository):
            store.push(blob, chunks, ask=not new or blob.size > UNASKED_BYTES)
        else:
            store.push(blob, chunks)

    def carry_given(self, given: GivenLayer, name: str) -> bool:
        """Have a base image's layer where the image goes: mounted there, or copied; it is made by nobody.

        Says whether its bytes were sent.
        """
        started = time.monotonic()
        blob = given.layer.descriptor
        uploaded = self._copy(blob) if self._destination is None else self._refer(blob, self._base)
        how: Literal["known", "registry"] = "known" if self._store.exists(blob) else "registry"
        self._listen(LayerReady(name, given.title, blob, how, 0, time.monotonic() - started))
        return uploaded

    def _copy(self, blob: Descriptor) -> bool:
        """Copy it into the local store, when nothing else keeps the image."""
        if self._base is not None:
            self._store.push(blob, Fetched(self._base, blob))
        return False

    def carry_shared(self, blob: Descriptor, source: Repository) -> bool:
        """Have a layer that ``source`` has where the image goes; says whether its bytes were sent."""
        return self._refer(blob, source)

    def _refer(self, blob: Descriptor, base: BlobSource | None) -> bool:
        """Let the registry mount it; else send it, from the local store or from where it is."""
        assert self._destination is not None
        if self._failure is not None:
            return False
        target = self._destination.store
        try:
            if isinstance(target, Repository) and isinstance(base, Repository) and not target.exists(blob):
                mounted = target.mount(blob, base)
                if mounted:
                    self._listen(BlobPushed(blob, "mounted"))
                    return False
            chunks = Fetched(Gathered(self._store, base), blob)
            target.push(blob, chunks)
        except (CredentialsError, NetworkError) as error:
            self._failure = error
            return False
        self._listen(BlobPushed(blob, "uploaded" if chunks.read else "present"))
        return chunks.read

    def finish(self, image: Image, *, whole: bool) -> None:
        """Send config and manifest, and tag it; or raise what has failed before. ``whole``: the local store has it all."""
        try:
            if self._failure is not None:
                raise self._failure
            if self._destination is not None:
                at_hand = {
                    image.descriptor.digest: image.manifest,
                    image.config_descriptor.digest: image.config,
                }
                source = Gathered(self._store, self._base, at_hand)
                # All blobs have been carried: nothing is left to do at once.
                copy_image(source, self._destination.store, image.descriptor, tag=self._destination.tag, jobs=1)
        except (CredentialsError, NetworkError) as error:
            error.kept = (
                "the image is complete in the local store; nothing will be built again"
                if whole
                else "all that was made is in the local store; nothing will be built again"
            )
            raise
