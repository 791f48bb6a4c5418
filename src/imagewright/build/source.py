"""The layers of the user's own files: what a spec copies, the code of a run, and the runtime that starts a task."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.layer.writer import VERSION, LayerWriter
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.spec import ImageSpec
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.files import Copied, CopiedFile, CopiedLink, describe, source_files, spelled
from imagewright.spec.imports import import_root

CODE_FOLDER: Final = "/root"
"""Where the user's files land, under the path that they have here: flytekit's place."""

RUNTIME_FOLDER: Final = "/opt/imagewright-runtime"
"""Where ``python -m imagewright.flow.entrypoint`` is found, with this folder on PYTHONPATH."""

USER: Final = 1000
"""Who a task runs as, and who therefore owns what lies in the code folder."""

_LARGE = 1 << 20  # files from here on get a layer of their own, so that a changed line does not write them again
_CHUNK = 1 << 18
_RUNTIME = (
    "__init__.py",
    "dataclass.py",
    "errors.py",
    "oci/__init__.py",
    "oci/digest.py",
    "oci/platform.py",
    "oci/reference.py",
)
_RUNTIME_FOLDERS = ("flow", "spec")


@dataclass(frozen=True, slots=True)
class Tree:
    """Files and links below ``folder``, and the folders that they need: all of it ``owner``'s."""

    folder: str
    entries: tuple[Copied, ...]
    owner: int


@dataclass(frozen=True, slots=True)
class SourceLayer:
    """Trees of files of this machine: readable for everyone, runnable where they were, without times."""

    title: str
    trees: tuple[Tree, ...]

    @property
    def key(self) -> Digest:
        """A digest over the paths, the contents' digests, the executable bits and the links' targets."""
        trees = [[tree.folder, tree.owner, spelled(tree.entries)] for tree in self.trees]
        return digest_of(
            canonical_json({"kind": "source", "writer": VERSION, "encoder": Fast().id, "trees": trees}),
        )

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """Nothing has to be downloaded."""
        return ()

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer, reading the files where they are.

        Raises:
            BuildError: A file is not what it was when the layer was planned (IW302).
        """
        with LayerWriter(out, encoder=Fast()) as writer:
            for tree in self.trees:
                _write_tree(tree, writer)
        return writer.diff_id


def source_layers(spec: ImageSpec, folder: str = CODE_FOLDER) -> tuple[SourceLayer, ...]:
    """The layers of what ``copy`` and ``source_root`` put into ``folder``: large files below, small ones above.

    A function of the files alone: two specs that are one image have the same layers.

    Raises:
        SpecError: A file that the spec names is not there.
    """
    large = tuple(entry for entry in spec.copied if isinstance(entry, CopiedFile) and entry.size >= _LARGE)
    small = tuple(entry for entry in spec.copied if not isinstance(entry, CopiedFile) or entry.size < _LARGE)
    return tuple(
        SourceLayer(title, (Tree(folder, entries, USER),))
        for title, entries in (("large files", large), ("files", small))
        if entries
    )


def code_files(
    entry_file: Path, mode: CopyFileDetection = CopyFileDetection.LOADED_MODULES
) -> tuple[Path, tuple[Copied, ...]]:
    """The folder that a run's code is imported from, and what of it the run needs.

    That is the Python files that ``entry_file`` imports, directly or not (docs/decisions/0011); with ``ALL`` every file
    that is not ignored, for code that imports by computed names or reads data that lies beside it.
    """
    root = Path(import_root(str(entry_file.resolve())))
    return root, tuple(source_files(root, mode, str(entry_file)))


def code_layer(
    entry_file: Path,
    mode: CopyFileDetection = CopyFileDetection.LOADED_MODULES,
    *,
    folders: tuple[str, str] = (CODE_FOLDER, RUNTIME_FOLDER),
) -> SourceLayer:
    """The last layer of an image that a task runs in: the code of the run, and the runtime that calls it.

    ``folders`` are their places in the image without links in them: a layer's folder would take a link's place.
    """
    code = Tree(folders[0], code_files(entry_file, mode)[1], USER)
    return SourceLayer("code", (code, Tree(folders[1], runtime_files(), 0)))


def runtime_files() -> tuple[Copied, ...]:
    """The part of imagewright that runs inside task containers, below ``imagewright/``."""
    package = Path(__file__).parents[1]
    names: Iterable[str] = _RUNTIME
    for folder in _RUNTIME_FOLDERS:
        names = [*names, *(f"{folder}/{file.name}" for file in (package / folder).glob("*.py"))]
    entries = (describe(f"imagewright/{name}", str(package / name)) for name in sorted(names))
    return tuple(entry for entry in entries if entry is not None)


def _write_tree(tree: Tree, writer: LayerWriter) -> None:
    owner = tree.owner
    made = {""}
    writer.directory(tree.folder, uid=owner, gid=owner)
    for entry in sorted(tree.entries, key=lambda entry: entry.path):
        for parent in _parents(entry.path):
            if parent not in made:
                made.add(parent)
                writer.directory(f"{tree.folder}/{parent}", uid=owner, gid=owner)
        path = f"{tree.folder}/{entry.path}"
        if isinstance(entry, CopiedLink):
            writer.symlink(path, entry.target, uid=owner, gid=owner)
        else:
            mode = 0o755 if entry.executable else 0o644
            writer.file(path, _content(entry), mode, size=entry.size, uid=owner, gid=owner)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _content(entry: CopiedFile) -> Iterator[bytes]:
    """The file's bytes, which have to be those that the key speaks of."""
    count, size = hashlib.sha256(), 0
    try:
        with open(entry.source, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                count.update(chunk)
                size += len(chunk)
                if size > entry.size:
                    raise _changed(entry)
                yield chunk
    except OSError as error:
        raise _changed(entry) from error
    if "sha256:" + count.hexdigest() != entry.digest:
        raise _changed(entry)


def _changed(entry: CopiedFile) -> BuildError:
    return BuildError(f"the file {entry.path} changed while the image was built", code="IW302", fix="build it again")
