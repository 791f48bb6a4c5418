"""Layers and locks that a repository of the registry keeps, so that the next machine does not make them again."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from imagewright.build.destination import Place, repository_of
from imagewright.build.lock import Lock
from imagewright.build.remembered import MAX_AGE_SECONDS
from imagewright.build.session import Session
from imagewright.build.shelf import CONFIG, SharedLock, Shelf
from imagewright.errors import ImagewrightError, IntegrityError
from imagewright.events import Listener, Noted
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import Digest, digest_of, hex_of
from imagewright.oci.manifest import MAX_BYTES, Manifest
from imagewright.oci.reference import Reference
from imagewright.store.registry.repository import Repository

TAG = "imagewright-layers"
"""The tag of the artifact. One for all keys: docs/decisions/0202 has the figures."""

MOST_CONFIG = 16 << 20

OWN, OFF = "own", "off"


class SharedLayers:
    """What a repository offers, read once and only when something is missing here. Safe to share between threads.

    Nothing depends on it: where it cannot be read or written, images are built as if it were empty, with a note. Its
    entries are claims of whoever may push to that repository, who could as well push another image there.
    """

    def __init__(
        self, repository: Repository, memory: Path, listen: Listener, now: Callable[[], float] = time.time
    ) -> None:
        self.repository = repository
        self._memory = (
            memory / f"shared-{hex_of(digest_of(f'{repository.registry}/{repository.repository}'.encode()))}.json"
        )
        self._listen, self._now = listen, now
        self._lock = threading.Lock()
        self._shelf: Shelf | None = None
        self._off = False
        self._new_locks: dict[Digest, SharedLock] = {}
        self._used: set[Digest] = set()

    def layers(self, keys: Iterable[Digest]) -> dict[Digest, Layer]:
        """Of these keys, those whose layers the repository has."""
        wanted = list(keys)
        if not wanted or self._off:
            return {}
        offered = self._read().layers
        found = {key: offered[key] for key in wanted if key in offered}
        self._used.update(layer.descriptor.digest for layer in found.values())
        return found

    def has(self, blob: Descriptor) -> bool:
        """Whether a layer that `layers` gave is this blob."""
        return blob.digest in self._used

    def lock(self, asked: Digest) -> tuple[Lock, int] | None:
        """A lock that somebody resolved for this question within a day, and when."""
        shared = None if self._off else self._read().locks.get(asked)
        if shared is None or not 0 <= self._now() - shared.resolved < MAX_AGE_SECONDS:
            return None
        return shared.lock, shared.resolved

    def is_compatible(self, wheels: Digest) -> bool:
        """Whether this set of wheels was found to fit together."""
        return not self._off and wheels in self._read().compatible

    def resolved(self, asked: Digest, lock: Lock) -> None:
        """Take note of a lock that is new, for `contribute`. One with files of this machine, or built on it, is nobody else's."""
        if all(wheel.source is None and not wheel.file.url.startswith("file:") for wheel in lock.environment):
            self._new_locks[asked] = SharedLock(lock, int(self._now()))

    def lost(self) -> bool:
        """Ask for every layer that was used; True when one is gone. Nothing is offered from then on."""
        gone = [layer for layer in self._read().layers.values() if layer.descriptor.digest in self._used]
        self._off = any(not self.repository.ask_again(layer.descriptor) for layer in gone)
        return self._off

    def contribute(self, layers: Mapping[Digest, Layer], compatible: Iterable[Digest], source: Repository) -> None:
        """Offer layers that ``source`` has, and the locks that were resolved. What is offered already costs no request."""
        new = Shelf(layers, self._new_locks, tuple(compatible))
        if self._off or not layers or (not self._new_locks and self._remembered(new)):
            return
        try:
            current = self._fetch()  # once more: another may have written meanwhile
            if not new.is_in(current):
                self._bring(layers.values(), source)
                self._write(new | current)
            self._remember(new | current)
        except ImagewrightError as error:
            self._note("are not shared", error)

    def _read(self) -> Shelf:
        with self._lock:
            if self._shelf is None:
                try:
                    self._shelf = self._fetch()
                except ImagewrightError as error:
                    self._shelf = Shelf()
                    self._note("cannot be read", error)
            return self._shelf

    def _fetch(self) -> Shelf:
        found = self.repository.read(TAG)
        if found is None:
            return Shelf()
        descriptor, data = found
        try:
            manifest = Manifest.parse(data, media_type=descriptor.media_type)
            if manifest.config.size > MOST_CONFIG:
                raise ValueError(f"its config has {manifest.config.size} bytes")
            shelf = Shelf.parse(manifest, b"".join(self.repository.fetch(manifest.config)))
        except ValueError as error:
            raise IntegrityError(f"{TAG} of {self.repository.repository} is damaged", why=str(error)) from error
        # The registry keeps what a manifest names: no layer of it has to be asked for.
        self.repository.claim(descriptor, manifest.layers)
        return shelf

    def _bring(self, layers: Iterable[Layer], source: Repository) -> None:
        """Have the layers in this repository as well, when it is not the one that the image went to."""
        if source is self.repository:
            return
        for layer in layers:
            if not self.repository.mount(layer.descriptor, source):
                self.repository.push(layer.descriptor, source.fetch(layer.descriptor))

    def _write(self, shelf: Shelf) -> None:
        config, manifest = shelf.to_bytes()
        if len(manifest) > MAX_BYTES:
            raise IntegrityError("there are too many layers to share", why=f"their manifest has {len(manifest)} bytes")
        self.repository.push(Descriptor(CONFIG, digest_of(config), len(config)), [config])
        self.repository.tag(Descriptor(media_types.IMAGE_MANIFEST, digest_of(manifest), len(manifest)), TAG, manifest)

    def _remembered(self, new: Shelf) -> bool:
        """Whether all of this was seen there before."""
        try:
            seen = set(json.loads(self._memory.read_bytes()))
        except (OSError, ValueError):
            return False
        return seen >= {*new.layers, *new.compatible}

    def _remember(self, shelf: Shelf) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._memory.with_name(f".{self._memory.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_text(json.dumps([*shelf.layers, *shelf.compatible]), encoding="utf-8")
        temporary.replace(self._memory)

    def _note(self, what: str, error: ImagewrightError) -> None:
        self._listen(
            Noted(f"the layers of {self.repository.registry}/{self.repository.repository} {what}: {error.what}")
        )


def shared_layers(session: Session, destination: Place | None) -> SharedLayers | None:
    """The layers that a build shares, by the setting ``layer_cache``: with its own repository, another one, or nobody."""
    if session.layer_cache == OFF or destination is None or not isinstance(destination.store, Repository):
        return None
    repository = destination.store
    if session.layer_cache != OWN:
        named = Reference.parse(session.layer_cache)
        if (named.registry, named.repository) != (repository.registry, repository.repository):
            repository = repository_of(named, session)
    return SharedLayers(repository, session.layers_dir, session.listen)
