"""What a registry keeps for the next who builds: layers by key, locks by what was asked. Pure: the documents of one artifact."""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from imagewright.build.lock import Lock
from imagewright.dataclass import dataclass
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of, parse_digest
from imagewright.oci.manifest import Manifest

ARTIFACT = "application/vnd.dev.imagewright.shelf.v1"
CONFIG = "application/vnd.dev.imagewright.shelf.v1+json"

MOST_LAYERS = 800
"""An entry has 0.4 kB, and a manifest may have 4 MB. What was used last is kept."""

MOST_LOCKS = 40
MOST_CHECKED = 200

_KEY, _DIFF_ID = "dev.imagewright.key", "dev.imagewright.diff-id"


@dataclass(frozen=True, slots=True)
class SharedLock:
    """A lock, and when it was resolved, in seconds since 1970."""

    lock: Lock
    resolved: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """Layers by their keys, locks by the digest of what was asked, and the sets of wheels that were found to fit together.

    Each is in the order of its last use, the last one first. All of it are claims of whoever may push to the repository.
    """

    layers: Mapping[Digest, Layer] = field(default_factory=dict)
    locks: Mapping[Digest, SharedLock] = field(default_factory=dict)
    compatible: tuple[Digest, ...] = ()

    def __or__(self, older: "Shelf") -> "Shelf":
        """This one's entries, then those of an older one, as many as may be kept."""
        return Shelf(
            _first(
                {**self.layers, **{key: layer for key, layer in older.layers.items() if key not in self.layers}},
                MOST_LAYERS,
            ),
            _first(
                {**self.locks, **{asked: lock for asked, lock in older.locks.items() if asked not in self.locks}},
                MOST_LOCKS,
            ),
            tuple(dict.fromkeys((*self.compatible, *older.compatible)))[:MOST_CHECKED],
        )

    def is_in(self, other: "Shelf") -> bool:
        """Whether another one has all of this."""
        return (
            self.layers.items() <= other.layers.items()
            and self.locks.keys() <= other.locks.keys()
            and set(self.compatible) <= set(other.compatible)
        )

    def to_bytes(self) -> tuple[bytes, bytes]:
        """The config and the manifest of the artifact, which names every layer: so no registry throws one away."""
        config = canonical_json(
            {
                "locks": [
                    {"asked": asked, "resolved": shared.resolved, "lock": shared.lock.to_json()}
                    for asked, shared in self.locks.items()
                ],
                "compatible": list(self.compatible),
            }
        )
        layers = [
            Descriptor(
                layer.descriptor.media_type,
                layer.descriptor.digest,
                layer.descriptor.size,
                annotations={_KEY: key, _DIFF_ID: layer.diff_id},
            )
            for key, layer in self.layers.items()
        ]
        named = Manifest(Descriptor(CONFIG, digest_of(config), len(config)), layers, artifact_type=ARTIFACT)
        return config, named.to_bytes()

    @classmethod
    def parse(cls, manifest: Manifest, config: bytes) -> "Shelf":
        """Read what somebody else wrote. Entries that cannot be read are left out: whoever misses them makes them anew.

        Raises:
            ValueError: It is none.
        """
        if manifest.artifact_type != ARTIFACT and manifest.config.media_type != CONFIG:
            raise ValueError("it is another kind of artifact")
        document = json.loads(config)
        if not isinstance(document, dict):
            raise ValueError("its config is no object")
        layers: dict[Digest, Layer] = {}
        for blob in manifest.layers:
            try:
                key, diff_id = parse_digest(blob.annotations[_KEY]), DiffID(parse_digest(blob.annotations[_DIFF_ID]))
            except (KeyError, ValueError):
                continue
            if blob.media_type in (media_types.LAYER_GZIP, media_types.LAYER_ZSTD):
                layers.setdefault(key, Layer(Descriptor(blob.media_type, blob.digest, blob.size), diff_id))
        return cls(layers, dict(_locks(document.get("locks"))), tuple(_digests(document.get("compatible"))))


def _locks(entries: Any) -> list[tuple[Digest, SharedLock]]:
    found = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            found.append(
                (parse_digest(entry["asked"]), SharedLock(Lock.from_json(entry["lock"]), int(entry["resolved"])))
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _digests(entries: Any) -> list[Digest]:
    found = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            found.append(parse_digest(entry))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def _first(entries: dict[Any, Any], most: int) -> dict[Any, Any]:
    return dict(list(entries.items())[:most])
