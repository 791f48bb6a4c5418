"""Wheels that want one path for different bytes are found before anything is written, and both are named."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from tests.packages.pypi.wheels import TARGET, Folder, Part, changed, parts_of, zipped

from imagewright.errors import LockError
from imagewright.packages.overwriting import Conflict, Overwriting
from imagewright.packages.pypi.conflicts import check_conflicts
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import RefusedArchive
from imagewright.packages.pypi.wheel_layer import WheelLayer

COMMAND = "[console_scripts]\nrun = {}:main\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _refused(folder: Folder, *wheels: LockedWheel) -> str:
    with pytest.raises(LockError) as refused:
        check_conflicts(wheels, folder, TARGET)
    assert refused.value.code == "IW207"
    for wheel in wheels:
        assert wheel.filename in str(refused.value)
    return refused.value.what


def test_disjoint_wheels(folder: Folder) -> None:
    """The common case; each has its dist-info, and folders may be shared."""
    wheels = [
        folder.wheel({f"google/{name}/x.py": b""}, name=name, entry_points=f"[console_scripts]\n{name} = a:b\n")
        for name in "abc"
    ]

    check_conflicts(wheels, folder, TARGET)


def test_the_same_file_twice(folder: Folder) -> None:
    """Equal bytes are no conflict, whichever way they are compressed."""
    one = folder.wheel([Part("google/__init__.py", b"x\n" * 99)], name="one")
    two = folder.wheel([Part("google/__init__.py", b"x\n" * 99, method=0)], name="two")

    check_conflicts([one, two], folder, TARGET)


@pytest.mark.parametrize("same_crc", [False, True])
def test_different_files(same_crc: bool, folder: Folder) -> None:
    """Size and CRC-32 being equal does not make two files one: RECORD's digests decide."""
    first, second = (b"plumless\n", b"buckeroo\n") if same_crc else (b"1\n", b"2\n")
    one = folder.wheel({"tests/__init__.py": first}, name="one")
    two = folder.wheel({"tests/__init__.py": second}, name="two")

    assert "site-packages/tests/__init__.py" in _refused(folder, one, two)


NAMESPACE = b"from pkgutil import extend_path\n\n__path__ = extend_path(__path__, __name__)\n"


def test_one_namespace_declared_in_other_words(folder: Folder) -> None:
    """dbt's packages share dbt/__init__.py, each with comments of its own: they say the same, and one stays."""
    one = folder.wheel({"dbt/__init__.py": b'"""The packages of dbt."""\n# more\n' + NAMESPACE}, name="one")
    two = folder.wheel({"dbt/__init__.py": NAMESPACE}, name="two")

    check_conflicts([one, two], folder, TARGET)
    layer = io.BytesIO()
    WheelLayer((one, two), TARGET).write(folder, layer)

    layer.seek(0)
    with tarfile.open(fileobj=layer, mode="r:gz") as tar:
        names = tar.getnames()
        kept = tar.extractfile("opt/imagewright/lib/python3.11/site-packages/dbt/__init__.py")
        assert kept is not None
        assert kept.read().startswith(b'"""The packages of dbt."""')
    assert sum(name.endswith("dbt/__init__.py") for name in names) == 1


@pytest.mark.parametrize("more", [b"VERSION = 1\n", b"def broken(:\n"])
def test_a_namespace_with_code_of_its_own(more: bytes, folder: Folder) -> None:
    """Which of them stays would matter."""
    one = folder.wheel({"dbt/__init__.py": NAMESPACE + more}, name="one")
    two = folder.wheel({"dbt/__init__.py": NAMESPACE}, name="two")

    assert "dbt/__init__.py" in _refused(folder, one, two)


def test_commands(folder: Folder) -> None:
    """Two packages may not have one command, whether it is made of an entry point or shipped as a script."""
    one = folder.wheel({}, name="one", entry_points=COMMAND.format("one"))
    two = folder.wheel({}, name="two", entry_points=COMMAND.format("two"))
    script = folder.wheel([Part("three-1.0.data/scripts/run", b"#!/bin/sh\n")], name="three")
    data = folder.wheel([Part("four-1.0.data/data/bin/run", b"other\n")], name="four")

    assert "/opt/imagewright/bin/run" in _refused(folder, one, two)
    assert "/opt/imagewright/bin/run" in _refused(folder, one, script)
    assert "/opt/imagewright/bin/run" in _refused(folder, data, script)


def test_commands_that_agree(folder: Folder) -> None:
    """Two wheels whose command calls the same function have equal launchers."""
    wheels = [folder.wheel({}, name=name, entry_points=COMMAND.format("shared")) for name in ("one", "two")]

    check_conflicts(wheels, folder, TARGET)


def test_a_file_and_a_folder(folder: Folder) -> None:
    """A path cannot be a file for one and a folder for the other."""
    one = folder.wheel({"google": b""}, name="one")
    two = folder.wheel({"google/x.py": b""}, name="two")

    assert "site-packages/google" in _refused(folder, one, two)


def test_purelib_and_root_are_one_place(folder: Folder) -> None:
    """What counts is where files go, not where they lie in the wheel."""
    one = folder.wheel({"x.py": b"1"}, name="one")
    two = folder.wheel([Part("two-1.0.data/purelib/x.py", b"2")], name="two")

    assert "site-packages/x.py" in _refused(folder, one, two)


def test_a_wheel_that_cannot_be_read(folder: Folder) -> None:
    """It is refused here already."""
    with pytest.raises(RefusedArchive):
        check_conflicts([folder.add(b"no wheel")], folder, TARGET)


def test_a_bad_record_is_only_allowed_by_name(folder: Folder) -> None:
    """Where paths meet RECORD is needed; a wrong one is refused unless its distribution is named."""
    one = folder.wheel({"x.py": b"1"}, name="one")
    parts = changed(parts_of({"x.py": b"1"}, name="two"), "two-1.0.dist-info/RECORD", data=b"")
    two = folder.add(zipped(parts), "two-1.0-py3-none-any.whl")

    with pytest.raises(RefusedArchive, match="RECORD"):
        check_conflicts([one, two], folder, TARGET)
    check_conflicts([one, two], folder, TARGET, allow_bad_record=frozenset({"two"}))


def test_a_file_of_another_kind_of_package_is_in_the_way(folder: Folder) -> None:
    """Of a conda package that is in the same environment: the same bytes are no conflict, others are, and unknown ones."""
    wheel = folder.wheel([Part("google/__init__.py", b"x\n")], name="one")
    path = f"{TARGET.site_packages}/google/__init__.py"

    check_conflicts([wheel], folder, TARGET, others={path: ("google-1-0.conda", hashlib.sha256(b"x\n").hexdigest())})

    for digest in (hashlib.sha256(b"y\n").hexdigest(), ""):
        with pytest.raises(LockError, match="google/__init__") as refused:
            check_conflicts([wheel], folder, TARGET, others={path: ("google-1-0.conda", digest)})
        assert refused.value.why[0] == "one is in google-1-0.conda"


def _allowed(*names: str) -> Overwriting:
    return Overwriting(frozenset(names), names)


def test_a_later_wheel_may_overwrite_when_it_is_listed(folder: Folder) -> None:
    """The one that is installed last decides; one that comes after it, and is not listed, may not."""
    one, two, three = (folder.wheel({"LICENSE": name.encode()}, name=name) for name in ("one", "two", "three"))

    check_conflicts([one, two], folder, TARGET, overwriting=_allowed("two"))
    check_conflicts([one, three, two], folder, TARGET, overwriting=_allowed("three", "two"))

    for order in ([two, one], [one, two, three]):
        with pytest.raises(Conflict, match="LICENSE"):
            check_conflicts(order, folder, TARGET, overwriting=_allowed("two"))


def test_the_fix_is_a_list_that_settles_every_conflict(folder: Folder) -> None:
    """What is listed already stays in its place; the error counts what else there is."""
    files = [{"LICENSE": name.encode(), "tests/__init__.py": name.encode()} for name in ("a", "b", "c", "d")]
    wheels = [folder.wheel(own, name=name) for own, name in zip(files, "abcd", strict=True)]

    with pytest.raises(Conflict) as refused:
        check_conflicts([*wheels[:2], wheels[3], wheels[2]], folder, TARGET, overwriting=_allowed("c"))

    assert refused.value.code == "IW207"
    assert refused.value.why == (
        "one is in a-1.0-py3-none-any.whl",
        "the other in b-1.0-py3-none-any.whl",
        "2 of their files differ",
        "1 other pair of packages, too",
    )
    assert refused.value.fix[-1].endswith('builder_options={"allow_overwrite": ["c", "b", "d"]}')
    check_conflicts([wheels[0], wheels[2], wheels[1], wheels[3]], folder, TARGET, overwriting=_allowed("c", "b", "d"))


def test_nobody_overwrites_a_folder(folder: Folder) -> None:
    """A layer would take all of it away; no list is offered."""
    one = folder.wheel({"google/x.py": b""}, name="one")
    two = folder.wheel({"google": b""}, name="two")

    with pytest.raises(Conflict, match="site-packages/google") as refused:
        check_conflicts([one, two], folder, TARGET, overwriting=_allowed("two"))

    assert "allow_overwrite" not in str(refused.value)


def test_a_wheel_may_overwrite_a_file_of_another_kind_of_package(folder: Folder) -> None:
    """A conda package's, which lies below."""
    wheel = folder.wheel({"x.py": b"1"}, name="one")
    others = {f"{TARGET.site_packages}/x.py": ("x-1-0.conda", "")}

    check_conflicts([wheel], folder, TARGET, others=others, overwriting=_allowed("one"))
