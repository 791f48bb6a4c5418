"""What packages say of their files is compared before any is written, and scripts are not run unasked."""

from pathlib import Path

import pytest
from tests.packages.conda.packages import PREFIX, Folder

from imagewright.errors import LockError
from imagewright.packages.conda.conflicts import check_packages
from imagewright.packages.conda.distributions import python_distributions
from imagewright.packages.conda.install import Placement
from imagewright.packages.overwriting import Conflict, Overwriting
from imagewright.testing.conda import CondaFile, make_package

PLACEMENT = Placement(PREFIX, "3.11")


def test_two_contents_for_one_path_are_found_without_writing(tmp_path: Path) -> None:
    """The same file in both is no conflict; a file where another has a folder is one."""
    folder = Folder(tmp_path)
    one = folder.add(make_package("one", "1", {"share/a": b"a", "share/b": b"b"}))
    same = folder.add(make_package("same", "1", {"share/a": b"a"}))
    other = folder.add(make_package("other", "1", {"share/b": b"B"}))
    below = folder.add(make_package("below", "1", {"share/a/deep": b""}))

    check_packages([one, same], folder, PLACEMENT, decided=())

    for conflicting, path in ((other, "share/b"), (below, "share/a")):
        with pytest.raises(LockError, match=f"different files for {path}") as found:
            check_packages([one, conflicting], folder, PLACEMENT, decided=())
        assert found.value.code == "IW207"


def test_a_later_package_may_overwrite_when_it_is_listed(tmp_path: Path) -> None:
    """By its normalised name; a folder is nobody's to replace."""
    folder = Folder(tmp_path)
    one = folder.add(make_package("one", "1", {"share/a": b"a"}))
    other = folder.add(make_package("an_other", "1", {"share/a": b"A"}))
    below = folder.add(make_package("below", "1", {"share/a/deep": b""}))
    allowed = Overwriting(frozenset({"an-other", "below"}), ("an-other", "below"))

    check_packages([one, other], folder, PLACEMENT, decided=(), overwriting=allowed)

    with pytest.raises(Conflict, match="share/a") as refused:
        check_packages([one, other], folder, PLACEMENT, decided=())
    assert refused.value.fix[-1].endswith('builder_options={"allow_overwrite": ["an-other"]}')
    for order in ([other, one], [one, below]):
        with pytest.raises(Conflict, match="share/a"):
            check_packages(order, folder, PLACEMENT, decided=(), overwriting=allowed)


def test_a_script_is_an_error_until_somebody_decides(tmp_path: Path) -> None:
    """The text names the package, the script and both ways out."""
    folder = Folder(tmp_path)
    script = {"bin/.cache-post-link.sh": CondaFile(b"#!/bin/bash\ntouch $PREFIX/made\n", executable=True)}
    wanting = folder.add(make_package("cache", "1.2", script))

    check_packages([wanting], folder, PLACEMENT, decided=["cache"])

    with pytest.raises(LockError) as refused:
        check_packages([wanting], folder, PLACEMENT, decided=())
    assert refused.value.code == "IW210"
    assert "cache 1.2" in refused.value.what
    assert refused.value.why == ("cache-1.2-0.conda has bin/.cache-post-link.sh",)
    assert '{"conda_post_link": "run"}' in refused.value.fix[0]


def test_python_distributions_go_by_the_names_that_pip_sees(tmp_path: Path) -> None:
    """Not by conda's, which may be others; old egg-info counts as well."""
    folder = Folder(tmp_path)
    torch = make_package(
        "pytorch", "2.4.0", {"lib/python3.11/site-packages/torch-2.4.0+cpu.dist-info/METADATA": b"Name: torch\n"}
    )
    old = make_package("Old_Name", "1", {"site-packages/Old_Name-1.0-py3.11.egg-info/PKG-INFO": b""}, noarch="python")
    library = make_package("zlib", "1.3", {"lib/libz.so": b"", "share/x-1.dist-info/METADATA": b""})

    found = python_distributions(map(folder.add, (torch, old, library)), folder, PLACEMENT)

    assert found == (("old-name", "1.0"), ("torch", "2.4.0+cpu"))
