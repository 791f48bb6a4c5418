"""Files that a run returns are kept where the command was run."""

from pathlib import Path

from imagewright.cli.results import keep_files
from imagewright.flow.show import show
from imagewright.flow.values import Encoded, read_encoded, write_values


def encoded(tmp_path: Path, value: object) -> Encoded:
    write_values({"result": value}, tmp_path / "run", of="a test")
    return read_encoded(tmp_path / "run")["result"]


def test_a_file_and_a_folder_are_copied_out(tmp_path: Path) -> None:
    """Also when they are inside a list, and with equal names."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").write_text(name)
    value = encoded(tmp_path, [tmp_path / "a" / "data.csv", tmp_path / "b" / "data.csv", tmp_path / "a"])

    kept = keep_files(value, tmp_path / "kept")

    assert (tmp_path / "kept" / "data.csv").read_text() == "a"
    assert (tmp_path / "kept" / "2" / "data.csv").read_text() == "b"
    assert (tmp_path / "kept" / "a" / "data.csv").read_text() == "a"
    assert show(kept) == f"[{tmp_path}/kept/data.csv, {tmp_path}/kept/2/data.csv, {tmp_path}/kept/a]"


def test_nothing_is_made_for_plain_values(tmp_path: Path) -> None:
    """No folder appears beside the user's files."""
    kept = keep_files({"total": encoded(tmp_path, 6), "rest": [1, 2]}, tmp_path / "kept")

    assert not (tmp_path / "kept").exists()
    assert show(kept) == "{'total': 6, 'rest': [1, 2]}"


def test_a_document_cannot_name_a_file_of_this_machine(tmp_path: Path) -> None:
    """A task writes the document: what it names outside its own folder is not copied."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "run").mkdir()

    for name in ("../secret", str(tmp_path / "secret"), "../run/../secret"):
        keep_files(Encoded({"$": "path", "file": name, "text": "x"}, tmp_path / "run"), tmp_path / "kept")

    assert not (tmp_path / "kept").exists()


def test_a_link_is_copied_as_a_link(tmp_path: Path) -> None:
    """What a link points to outside the task's folder is not read."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "run" / "files").mkdir(parents=True)
    (tmp_path / "run" / "files" / "link").symlink_to(tmp_path / "secret")

    keep_files(Encoded({"$": "path", "file": "files/link", "text": "x"}, tmp_path / "run"), tmp_path / "kept")

    assert (tmp_path / "kept" / "link").is_symlink()
