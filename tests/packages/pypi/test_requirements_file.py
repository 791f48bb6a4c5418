"""Requirements files: which files decide, and what is on which line."""

from pathlib import Path

from imagewright.packages.pypi.requirements_file import find_line, read_lines


def test_lines_with_their_numbers(tmp_path: Path) -> None:
    """Comments, continuations, markers, hashes and options; what is no requirement is left to uv."""
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# comment\n"
        "numpy==1.26.4 ; python_version < '3.13'  # why\n"
        "\n"
        "Demo.Thing[extra] \\\n"
        f"    --hash=sha256:{'A' * 64} \\\n"
        f"    --hash=sha256:{'b' * 64}\n"
        "--pre\n"
        "-e ./project\n"
        "./dist/local.whl\n"
        "last@ https://example.com/last.whl#sha256=abc\n"
    )

    lines = read_lines(file)

    assert [(line.number, line.name) for line in lines] == [(2, "numpy"), (4, "Demo.Thing"), (10, "last")]
    assert lines[1].hashes == {f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"}
    assert lines[0].hashes == frozenset()


def test_includes_are_followed(tmp_path: Path) -> None:
    """-r and -c in all spellings, relative to the file that names them, each once, though they go round."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("-r sub/b.txt\n--requirement=sub/c.txt\n-c sub/limits.txt\none\n")
    (tmp_path / "sub/b.txt").write_text("two\n-r ../a.txt\n--constraint limits.txt\n")
    (tmp_path / "sub/c.txt").write_text("three\n-rmissing.txt\n-r https://example.com/r.txt\n")
    (tmp_path / "sub/limits.txt").write_text("two<2\n")

    names = sorted(line.name for line in read_lines(tmp_path / "a.txt"))

    assert names == ["one", "three", "two"]


def test_where_a_package_is_asked_for(tmp_path: Path) -> None:
    """By its normalised name, in the file that has it."""
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("\nScikit_Learn>=1  # mine\n")

    where = find_line(tmp_path / "a.txt", "scikit-learn")

    assert where is not None
    assert (Path(where.file).name, where.line, where.part) == ("b.txt", 2, "Scikit_Learn")
    assert find_line(tmp_path / "a.txt", "numpy") is None
