"""What a base image holds, read from its layers once, each by its digest, and remembered."""

import json
import os
import threading
from pathlib import Path

from imagewright.build.base.contents import Contents, contents_of
from imagewright.build.base.tree import Tree, stack
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json, hex_of
from imagewright.parallel import run_all
from imagewright.store.images import ReadImage
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource
from imagewright.store.verify import Fetched

JOBS = 4


def tree_of(image: ReadImage, source: BlobSource, session: Session, *, name: str, keep: bool) -> tuple[Tree, int]:
    """The image's tree, and the bytes of the layers that had to be read for it.

    A layer that the local store has is read there. With ``keep`` one that it has not is put there on the way, for who
    needs it there anyway.

    Raises:
        LockError: A layer is compressed in a way that cannot be read (IW204).
        IntegrityError: A layer is broken.
    """
    store = Layout(session.store_dir)
    memory = session.bases_dir
    blobs = list(dict.fromkeys(layer.descriptor for layer in image.layers))

    def contents(blob: Descriptor) -> tuple[Contents, int]:
        known = _find(memory, blob)
        if known is not None:
            return known, 0
        if blob.media_type == media_types.LAYER_ZSTD:
            raise LockError(
                f"the base image {name} has a layer that is compressed with zstd, which cannot be read yet",
                code="IW204",
                why=f"its layer {blob.digest}",
                fix="copy it to another place with gzip: skopeo copy --dest-compress-format gzip ...",
            )
        if keep and not store.exists(blob):
            store.push(blob, Fetched(source, blob))
        chunks = store.fetch(blob) if store.exists(blob) else iter(source.fetch(blob))
        found = contents_of(chunks, blob.media_type)
        for _ in chunks:  # to its end, where its digest is checked
            pass
        _remember(memory, blob, found)
        return found, blob.size

    made = dict(zip(blobs, run_all(contents, blobs, jobs=JOBS), strict=True))
    tree = stack(made[layer.descriptor][0] for layer in image.layers)
    return tree, sum(size for _, size in made.values())


def _find(memory: Path, blob: Descriptor) -> Contents | None:
    try:
        return Contents.from_json(json.loads(_path(memory, blob).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it can be read again


def _remember(memory: Path, blob: Descriptor, contents: Contents) -> None:
    memory.mkdir(parents=True, exist_ok=True)
    path = _path(memory, blob)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_bytes(canonical_json(contents.to_json()))
    part.replace(path)


def _path(memory: Path, blob: Descriptor) -> Path:
    return memory / f"{hex_of(blob.digest)}.json"
