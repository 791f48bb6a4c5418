"""Channels: their order, conda-forge, folders, and logins that stay out of what is kept."""

from pathlib import Path

import pytest

from imagewright.errors import redacted
from imagewright.packages.conda.channels import Channels, channels_of
from imagewright.spec.channels import local_channel, without_token


@pytest.mark.parametrize(
    ("named", "below", "names"),
    [
        ([], [], ["conda-forge"]),
        (["pytorch"], [], ["pytorch", "conda-forge"]),
        (["conda-forge", "pytorch"], [], ["conda-forge", "pytorch"]),
        (["pytorch", "nodefaults"], [], ["pytorch"]),
        (["bioconda"], ["pytorch", "conda-forge"], ["bioconda", "pytorch", "conda-forge"]),
        ([], ["pytorch"], ["pytorch"]),
        (["nodefaults"], ["conda-forge"], ["conda-forge"]),
        (["./mine", "/srv/all"], [], ["file:///home/a/mine", "file:///srv/all", "conda-forge"]),
    ],
)
def test_the_named_ones_come_first_and_conda_forge_last(named: list[str], below: list[str], names: list[str]) -> None:
    """Unless it is named, or nodefaults is; a spec on another one has the channels of both."""
    assert list(channels_of(named, Path("/home/a"), below=below).names) == names


def test_a_login_is_used_and_not_kept() -> None:
    """A token or a password goes back into the address that is asked, and into no other."""
    channels = Channels(("https://conda.example.com/t/se-cret/private", "https://bob:pa%20ss@two.example.com/c"))
    kept = without_token("https://conda.example.com/t/se-cret/private/linux-64/a-1-0.conda")

    assert kept == "https://conda.example.com/private/linux-64/a-1-0.conda"
    assert channels.located(kept) == "https://conda.example.com/t/se-cret/private/linux-64/a-1-0.conda"
    assert channels.located("https://other.example.com/private/a") == "https://other.example.com/private/a"
    assert channels.headers("https://two.example.com/c/noarch/b.conda") == {"Authorization": "Basic Ym9iOnBhIHNz"}
    assert channels.headers("https://two.example.com/other/b.conda") == {}
    assert without_token(channels.names[1]) == "https://two.example.com/c"
    assert "cret" not in redacted(f"cannot ask {channels.names[0]}")


def test_a_lock_names_no_place_of_a_folder(tmp_path: Path) -> None:
    """The spec says where it is; of two folders of one name it is the one that has the file."""
    one, two = tmp_path / "one" / "my channel", tmp_path / "two" / "my channel"
    for folder in (one, two):
        (folder / "noarch").mkdir(parents=True)
    (two / "noarch" / "a-1-0.conda").touch()
    channels = channels_of([str(one), str(two)], tmp_path)

    kept = channels.public(f"{channels.names[1]}/noarch/a-1-0.conda")

    assert kept == "channel:my%20channel/noarch/a-1-0.conda"
    assert channels.path(kept) == two / "noarch" / "a-1-0.conda"
    assert channels.path("https://example.com/a-1-0.conda") is None
    assert channels.path("channel:gone/noarch/a-1-0.conda") == Path("gone/noarch/a-1-0.conda")


def test_what_is_a_folder_says_so() -> None:
    """A name with a slash in it is a label of a channel, not a path."""
    assert local_channel("conda-forge/label/dev") is None
    assert local_channel("https://example.com/x") is None
    assert local_channel("file:///srv/a%20b") == "/srv/a b"
    assert (local_channel("./x"), local_channel("../x"), local_channel("/x")) == ("./x", "../x", "/x")
