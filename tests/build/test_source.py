"""The user's own files become layers that depend on the files alone."""

import gzip
import io
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagewright.build.source import (
    SourceLayer,
    Tree,
    code_files,
    code_layer,
    runtime_files,
    source_layers,
)
from imagewright.errors import BuildError, SpecError
from imagewright.layer.planned import InputFile, NothingProven, PlannedLayer
from imagewright.layer.read import entries
from imagewright.oci.digest import digest_of
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.spec import ImageSpec
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.files import CopiedFile, CopiedLink


class NoInputs(NothingProven):
    def path(self, file: InputFile) -> Path:
        raise AssertionError(f"a source layer asked for {file.url}")


def written(layer: PlannedLayer) -> bytes:
    out = io.BytesIO()
    layer.write(NoInputs(), out)
    return out.getvalue()


def tar_of(layer: PlannedLayer) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    found = {}
    with entries([written(layer)], LAYER_GZIP) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            found[member.name] = (member, stream.read() if stream else b"")
    return found


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def paths(spec: ImageSpec) -> set[str]:
    return {entry.path for entry in spec.copied}


def test_copied_files_land_below_root_as_they_lie_here(tmp_path: Path) -> None:
    """/root/<relative path>, the task's user's, readable for all, times zero, the executable bit and links kept."""
    make(tmp_path, "data/a.csv", "data/bin/run.sh", "one.txt", "not-asked-for")
    (tmp_path / "data/a.csv").chmod(0o600)
    (tmp_path / "data/bin/run.sh").chmod(0o700)
    (tmp_path / "data/link").symlink_to("bin/run.sh")
    (layer,) = source_layers(ImageSpec(copy=["data", "one.txt"], directory=tmp_path))

    found = tar_of(layer)

    assert {
        name: (member.type, member.mode, member.uid, member.gid, member.mtime) for name, (member, _) in found.items()
    } == {
        "root": (tarfile.DIRTYPE, 0o755, 1000, 1000, 0),
        "root/data": (tarfile.DIRTYPE, 0o755, 1000, 1000, 0),
        "root/data/a.csv": (tarfile.REGTYPE, 0o644, 1000, 1000, 0),
        "root/data/bin": (tarfile.DIRTYPE, 0o755, 1000, 1000, 0),
        "root/data/bin/run.sh": (tarfile.REGTYPE, 0o755, 1000, 1000, 0),
        "root/data/link": (tarfile.SYMTYPE, 0o777, 1000, 1000, 0),
        "root/one.txt": (tarfile.REGTYPE, 0o644, 1000, 1000, 0),
    }
    assert found["root/data/a.csv"][1] == b"content of data/a.csv"
    assert found["root/data/link"][0].linkname == "bin/run.sh"


def test_the_same_files_are_the_same_layer(tmp_path: Path) -> None:
    """Neither the folder, the order of creation, times nor the umask reach the key or a byte."""
    names = ["b/x.txt", "a.txt", "b/a/y.txt"]
    previous = os.umask(0o077)
    try:
        one = make(tmp_path / "one", *names)
    finally:
        os.umask(previous)
    two = make(tmp_path / "two", *reversed(names))
    os.utime(two / "a.txt", (1, 1))

    layers = [source_layers(ImageSpec(copy=["a.txt", "b"], directory=folder))[0] for folder in (one, two)]

    assert layers[0].key == layers[1].key
    assert written(layers[0]) == written(layers[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_text("other"),
        lambda folder: (folder / "a").chmod(0o755),
        lambda folder: (folder / "a").rename(folder / "b"),
    ],
)
def test_another_file_is_another_layer(tmp_path: Path, change: Callable[[Path], object]) -> None:
    """Content, the executable bit and the name are in the key."""
    make(tmp_path / "d", "a")
    before = source_layers(ImageSpec(copy=["d"], directory=tmp_path))[0].key

    change(tmp_path / "d")

    assert source_layers(ImageSpec(copy=["d"], directory=tmp_path))[0].key != before


def test_equal_specs_have_equal_layers(tmp_path: Path) -> None:
    """Whether files came by copy or by source_root, equal digests mean equal layers."""
    make(tmp_path, "a.txt", "b/c.txt")
    by_copy = ImageSpec(copy=["."], directory=tmp_path)
    by_root = ImageSpec(source_root=".", source_copy_mode="all", directory=tmp_path)

    assert by_copy.digest == by_root.digest
    assert [layer.key for layer in source_layers(by_copy)] == [layer.key for layer in source_layers(by_root)]


def test_large_files_have_a_layer_of_their_own(tmp_path: Path) -> None:
    """A changed line of code does not write the model again."""
    make(tmp_path, "d/code.py")
    (tmp_path / "d/model.bin").write_bytes(bytes(3 << 20))
    before = source_layers(ImageSpec(copy=["d"], directory=tmp_path))

    (tmp_path / "d/code.py").write_text("changed")
    after = source_layers(ImageSpec(copy=["d"], directory=tmp_path))

    assert [layer.title for layer in before] == ["large files", "files"]
    assert before[0].key == after[0].key
    assert before[1].key != after[1].key
    assert len(tar_of(before[0])["root/d/model.bin"][1]) == 3 << 20


def test_nothing_to_copy_is_no_layer() -> None:
    """A spec that names no files adds no layer."""
    assert source_layers(ImageSpec(packages=["numpy"])) == ()


def test_source_root_takes_all_but_the_ignored(tmp_path: Path) -> None:
    """With "all": every ignore file counts, generated files and sockets never come in, dangling links neither."""
    make(tmp_path, "a.py", "b.txt", "c.md", "d.csv", "sub/e.py", "__pycache__/a.cpython-311.pyc", ".git/HEAD")
    (tmp_path / ".gitignore").write_text("b.txt\n")
    (tmp_path / ".dockerignore").write_text("c.md\n")
    (tmp_path / ".flyteignore").write_text("*.csv\n")
    (tmp_path / ".#a.py").symlink_to("someone@somewhere")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path has to be short
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)

        found = paths(ImageSpec(source_root=".", source_copy_mode="all", directory=tmp_path))

    assert found == {"a.py", "sub/e.py", ".gitignore", ".dockerignore", ".flyteignore"}


PROJECT = {
    "images.py": "from imagewright.spec import ImageSpec\nimport lib\nspec = ImageSpec({fields})\n",
    "lib/__init__.py": "def f():\n    from lib import late\n",
    "lib/late.py": "",
    "lib/unused.py": "",
    "notes.txt": "",
}


def declared_in_a_file(folder: Path, fields: str) -> ImageSpec:
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("{fields}", fields))
    space: dict[str, ImageSpec] = {}
    file = folder / "images.py"
    text = file.read_text().replace("import lib\n", "\n")
    exec(compile(text, str(file), "exec"), {"__name__": "images"}, space)
    return space["spec"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('source_root="."', {"images.py", "lib/__init__.py", "lib/late.py"}),
        ('source_copy_mode="auto"', {"images.py", "lib/__init__.py", "lib/late.py"}),
        ('source_copy_mode="all"', set(PROJECT)),
        ('source_root="lib", source_copy_mode="all"', {"__init__.py", "late.py", "unused.py"}),
        ('source_root=".", source_copy_mode="none"', set()),
        ("", set()),
    ],
)
def test_copy_modes_are_flytekits(tmp_path: Path, fields: str, expected: set[str]) -> None:
    """A root alone means the modules that the declaring file uses; a mode alone means the declaring file's root."""
    assert paths(declared_in_a_file(tmp_path, fields)) == expected


def test_copy_wins_over_source(tmp_path: Path) -> None:
    """Copies come after the sources, as in flytekit, so of two files with one place the copied one is there."""
    make(tmp_path, "src/a.txt", "a.txt")
    spec = ImageSpec(source_root="src", source_copy_mode="all", copy=["a.txt"], directory=tmp_path)

    (layer,) = source_layers(spec)

    assert tar_of(layer)["root/a.txt"][1] == b"content of a.txt"


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (lambda folder: ImageSpec(copy=["missing"], directory=folder), r"copy=\['missing'\] names nothing"),
        (lambda folder: ImageSpec(source_root="missing", directory=folder), "source_root=.*is no folder"),
    ],
)
def test_missing_files_are_named(tmp_path: Path, spec: Callable[[Path], ImageSpec], what: str) -> None:
    """A path that is not there is an error of the spec, at its line."""
    with pytest.raises(SpecError, match=what) as caught:
        source_layers(spec(tmp_path))

    assert caught.value.where is not None
    assert caught.value.where.file == __file__


@pytest.mark.parametrize("text", ["shorter", "content of a", "a good deal longer than it was"])
def test_a_file_that_changed_is_not_written(tmp_path: Path, text: str) -> None:
    """The bytes of a layer are those its key speaks of, or there is no layer."""
    make(tmp_path, "a.txt")
    (layer,) = source_layers(ImageSpec(copy=["a.txt"], directory=tmp_path))
    (tmp_path / "a.txt").write_text(text)

    with pytest.raises(BuildError, match=r"a\.txt changed while"):
        written(layer)


def test_code_is_what_the_file_imports(tmp_path: Path) -> None:
    """From the first folder that is no package: the file, its package, and all that they import; or all on request."""
    make(tmp_path, "app/__init__.py", "app/other.py", "data.csv")
    (tmp_path / "app/main.py").write_text("from app.steps import one\n")
    (tmp_path / "app/steps.py").write_text("import app.deep as one\n")
    (tmp_path / "app/deep.py").write_text("")

    root, files = code_files(tmp_path / "app/main.py")
    everything = code_files(tmp_path / "app/main.py", CopyFileDetection.ALL)[1]

    assert root == tmp_path
    assert [file.path for file in files] == ["app/__init__.py", "app/deep.py", "app/main.py", "app/steps.py"]
    assert {file.path for file in everything} >= {"app/other.py", "data.csv"}
    assert "root/app/main.py" in tar_of(code_layer(tmp_path / "app/main.py"))


def test_a_changed_comment_is_another_code_layer(tmp_path: Path) -> None:
    """Code is content: the layer of changed code has another key, and undone it has the old one."""
    file = tmp_path / "main.py"
    file.write_text("x = 1\n")
    before = code_layer(file).key

    file.write_text("x = 1  # one\n")
    changed = code_layer(file).key
    file.write_text("x = 1\n")

    assert changed != before
    assert code_layer(file).key == before


def test_the_runtime_is_enough_to_run_a_task(tmp_path: Path) -> None:
    """Unpacked where nothing else is, it starts: `python -m imagewright.flow.entrypoint`, and a user's imports."""
    (tmp_path / "main.py").write_text("")
    for name, (member, content) in tar_of(code_layer(tmp_path / "main.py")).items():
        if member.isfile():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
    program = "import imagewright, imagewright.flow.entrypoint as e; print(imagewright.ImageSpec().digest, e.__file__)"

    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(tmp_path / "opt/imagewright-runtime")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.split()[0] == ImageSpec().digest
    assert str(tmp_path) in done.stdout


def test_the_runtime_is_the_standard_librarys_part_alone() -> None:
    """Nothing that needs a package, and nothing that builds images, goes into task containers."""
    names = {entry.path for entry in runtime_files()}

    assert {"imagewright/__init__.py", "imagewright/spec/image_spec.py", "imagewright/flow/entrypoint.py"} <= names
    assert not [
        name for name in names if name.split("/")[1] in ("build", "cli", "layer", "packages", "store", "transport.py")
    ]


def test_golden_layer(tmp_path: Path) -> None:
    """The tar of a layer never changes by accident. (Its compressed bytes may, with the compressor's version.)"""
    (tmp_path / "b.txt").write_bytes(b"twelve bytes")
    entry = CopiedFile("a/b.txt", str(tmp_path / "b.txt"), digest_of(b"twelve bytes"), 12, True)
    out = io.BytesIO()

    diff_id = SourceLayer("files", (Tree("/root", (entry, CopiedLink("c", "a/b.txt")), 1000),)).write(NoInputs(), out)

    assert str(diff_id) == digest_of(gzip.decompress(out.getvalue())) == GOLDEN


GOLDEN = "sha256:8436c0661347c0ffeace698fead1992bde9445cd184c810e16f56ec99b41351b"
