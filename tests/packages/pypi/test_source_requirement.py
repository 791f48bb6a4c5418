"""Requirements that name sources: what each form means."""

from pathlib import Path

import pytest

from imagewright.errors import ImagewrightError, LockError
from imagewright.oci.digest import Digest
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.source_requirement import SourceRequirement, source_requirement

HEX = "ab" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "lines/pkg").mkdir(parents=True)
    (tmp_path / "lines/pkg-1.tar.gz").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "source", "extras", "marker"),
    [
        ("./pkg", Source("folder", "lines/pkg"), "", ""),
        ("-e ./pkg", Source("folder", "lines/pkg"), "", ""),
        ("--editable=./pkg[a,b]", Source("folder", "lines/pkg"), "[a,b]", ""),
        ("./pkg ; python_version < '4'", Source("folder", "lines/pkg"), "", "python_version < '4'"),
        ("demo[x] @ ./pkg", Source("folder", "lines/pkg", name="demo"), "[x]", ""),
        (
            "git+https://example.com/a/b.git@v1.0#egg=demo[x]&subdirectory=sub",
            Source("git", "https://example.com/a/b.git", revision="v1.0", subdirectory="sub", name="demo"),
            "[x]",
            "",
        ),
        ("demo@git+ssh://git@example.com/b.git", Source("git", "ssh://git@example.com/b.git", name="demo"), "", ""),
        (
            f"demo @ https://example.com/demo-1.tar.gz#sha256={HEX}",
            Source("sdist", "https://example.com/demo-1.tar.gz", Digest(f"sha256:{HEX}"), name="demo"),
            "",
            "",
        ),
    ],
)
def test_what_a_form_means(root: Path, text: str, source: Source, extras: str, marker: str) -> None:
    """Folders are named as seen from the spec's, whatever file the line is in."""
    assert source_requirement(text, root / "lines", root, {}) == SourceRequirement(source, extras, marker)


def test_an_archive_is_a_file_of_this_machine(root: Path) -> None:
    """By its path or its URL."""
    for text in ("./pkg-1.tar.gz", f"demo @ {(root / 'lines/pkg-1.tar.gz').as_uri()}"):
        found = source_requirement(text, root / "lines", root, {})

        assert found is not None
        assert (found.source.kind, found.source.url) == ("sdist", (root / "lines/pkg-1.tar.gz").as_uri())


@pytest.mark.parametrize("text", ["numpy>=1", "./dist/a-1-py3-none-any.whl", "-r more.txt", "--pre"])
def test_what_is_no_source(tmp_path: Path, text: str) -> None:
    """Names, wheels, options."""
    assert source_requirement(text, tmp_path, tmp_path, {}) is None


def test_a_login_is_for_git_alone(tmp_path: Path) -> None:
    """It is in nothing that is stored or compared, and a variable may hold it."""
    found = source_requirement("git+https://${TOKEN}@example.com/b.git@main", tmp_path, tmp_path, {"TOKEN": "s3cret"})

    assert found is not None
    assert found.source == Source("git", "https://example.com/b.git", revision="main")
    assert found.source.login_url == "https://s3cret@example.com/b.git"
    assert "s3cret" not in repr(found)
    assert "s3cret" not in str(found.source.to_json())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hg+https://example.com/a", "IW204"),
        ("./nothing", "IW205"),
        ("git+https://example.com/a#subdirectory=../..", "IW102"),
        ("git+https://example.com/a@--upload-pack=x", "IW102"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, code: str) -> None:
    """Other version control, what is not there, and what would reach out of the source."""
    with pytest.raises(ImagewrightError) as caught:
        source_requirement(text, tmp_path, tmp_path, {})

    assert caught.value.code == code
    assert isinstance(caught.value, LockError) or code == "IW102"


def test_json_gives_the_same_source() -> None:
    """As a lock keeps it."""
    source = Source("git", "https://example.com/b.git", None, "v1", "c" * 40, "sub", "demo", "1", ("flit-core==3",))

    assert Source.from_json(source.to_json(), name="demo", version="1") == source
