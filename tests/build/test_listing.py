"""What goes into an image and what is left out is told by the same rules that decide it."""

import os
from pathlib import Path

import pytest

from imagewright.build.listing import ENVIRONMENT, NO_FILE, listing_of
from imagewright.errors import Where
from imagewright.spec import ImageSpec
from imagewright.spec.ignore import GENERATED_REASON


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with something of each kind."""
    for name in ("app.py", "pkg/__init__.py", "pkg/m.py", "data/a.csv", "data/b.csv", "notes.md", "venv/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import pkg.m\n" if name == "app.py" else "")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.pyc").touch()
    (tmp_path / "link").symlink_to("app.py")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".gitignore").write_text("# notes\n*.md\n\ndata/*\n!data/a.csv\n")
    (tmp_path / ".dockerignore").write_text("pkg/m.py\n")
    return tmp_path


def spec_in(project: Path, **fields: object) -> ImageSpec:
    return ImageSpec(where=Where(str(project / "app.py"), 1), directory=project, **fields)  # type: ignore[arg-type]


def test_each_rule_is_named_by_its_file_and_line(project: Path) -> None:
    """A rule that lets in again is obeyed; the last one that leaves out is named."""
    listing = listing_of(spec_in(project, source_root=".", source_copy_mode="all"))

    assert {one.path: one.reason for one in listing.left_out} == {
        "__pycache__/": GENERATED_REASON,
        "dangling": NO_FILE,
        "data/b.csv": ".gitignore:4: data/*",
        "notes.md": ".gitignore:2: *.md",
        "pipe": NO_FILE,
        "pkg/m.py": ".dockerignore:1: pkg/m.py",
        "venv/": ENVIRONMENT,
    }
    assert [entry.path for entry in listing.copied] == [
        ".dockerignore",
        ".gitignore",
        "app.py",
        "data/a.csv",
        "link",
        "pkg/__init__.py",
    ]


def test_a_rule_of_a_folder_below_is_named_by_its_path(project: Path) -> None:
    """And one of a folder above, up to the repository's top, by the whole of it."""
    (project / ".git").mkdir()
    (project / "pkg" / ".gitignore").write_text("/m.py\n")

    below = {
        one.path: one.reason for one in listing_of(spec_in(project, source_root=".", source_copy_mode="all")).left_out
    }
    above = {
        one.path: one.reason
        for one in listing_of(spec_in(project, source_root="data", source_copy_mode="all")).left_out
    }

    assert below["pkg/m.py"] == "pkg/.gitignore:1: /m.py"
    assert above == {"b.csv": f"{project}/.gitignore:4: data/*"}


def test_what_is_not_imported_says_so(project: Path) -> None:
    """With the way to have it; what is ignored anyway keeps its rule."""
    left_out = {one.path: one.reason for one in listing_of(spec_in(project, source_root=".")).left_out}

    assert left_out["data/a.csv"] == 'app.py does not import it; source_copy_mode="all" takes it'
    assert left_out["data/b.csv"] == ".gitignore:4: data/*"
    assert left_out["pipe"] == NO_FILE
    assert "pkg/m.py" not in left_out


def test_copy_takes_what_it_names(project: Path) -> None:
    """No ignore file counts for it; what is generated stays out. What source_root takes as well is not left out."""
    (project / "data" / ".cache").mkdir()
    (project / "data" / ".cache" / "x").touch()

    listing = listing_of(spec_in(project, copy=["data", "notes.md"]))
    both = listing_of(spec_in(project, copy=["data"], source_root=".", source_copy_mode="all"))

    assert [entry.path for entry in listing.copied] == ["data/a.csv", "data/b.csv", "notes.md"]
    assert [(one.path, one.reason) for one in listing.left_out] == [("data/.cache/", GENERATED_REASON)]
    assert "data/b.csv" not in {one.path for one in both.left_out}


def test_nothing_named_lists_nothing(project: Path) -> None:
    """A spec without files has none."""
    listing = listing_of(spec_in(project))

    assert (listing.copied, listing.left_out) == ((), ())
