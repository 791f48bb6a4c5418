"""The Python that is chosen in images of many makers, and what is said when there is none to choose."""

import pytest
from tests.build.base.layers import ELF, GLIBC, MUSL, PYTHON, image, tree

from imagewright.build.base.choose import Chosen, choose
from imagewright.errors import LockError
from imagewright.packages.pypi.pylock_tags import uv_platform
from imagewright.spec import ImageSpec

DEBIAN: dict[str, bytes | str] = {"usr/bin/python3.11": PYTHON, "usr/bin/python3": "python3.11", **GLIBC}
SITE = "lib/python3.11/site-packages"


def chosen(*layers: dict[str, bytes | str], path: str = "/usr/local/bin:/usr/bin", **spec: str) -> Chosen:
    return choose(ImageSpec(base_image="example.com/base:1", **spec), image(PATH=path), tree(*layers))  # type: ignore[arg-type]


def names(found: Chosen) -> list[str]:
    return [f"{one.name} {one.version}" for one in found.present]


def test_a_debian_system_python() -> None:
    """Its own packages are those of dist-packages; Debian's status says which patch version it is."""
    status = b"Package: libc6\nVersion: 2.36-9+deb12u10\n\nPackage: python3.11-minimal\nVersion: 3.11.2-6+deb12u5\n"
    found = chosen(
        {
            "usr/bin/python3.11": ELF,
            "usr/bin/python3": "python3.11",
            "var/lib/dpkg/status": status,
            "usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/": b"",
            "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA": b"",
        }
    )

    target = found.locked.target
    assert (target.interpreter, target.python_full_version, target.libc) == (
        "/usr/bin/python3.11",
        "3.11.2",
        ("glibc", "2.36"),
    )
    assert names(found) == ["pyyaml 6.0", "six 1.16.0"]


def test_an_alpine_python_gets_wheels_for_musl() -> None:
    """The C library decides which wheels fit."""
    found = chosen(
        {
            "usr/local/bin/python3.12": ELF + b"\x003.12.4\0",
            "usr/local/bin/python3": "python3.12",
            MUSL: ELF + b"\x001.2.5\0",
            "lib/libc.musl-x86_64.so.1": "ld-musl-x86_64.so.1",
            "lib/apk/db/installed": b"P:busybox\nV:1.36\n\nP:musl\nV:1.2.5-r0\n",
        }
    ).locked.target

    assert (found.python, found.libc) == ("3.12", ("musl", "1.2"))
    assert uv_platform(found) == "x86_64-unknown-linux-musl"


def test_an_environment_on_the_path_is_seen_by_ours() -> None:
    """Its interpreter's program is ours; whether the system's packages are seen is as it was there."""
    venv: dict[str, bytes | str] = {
        "opt/venv/pyvenv.cfg": b"home = /usr/bin\ninclude-system-site-packages = false\n",
        "opt/venv/bin/python3": "/usr/bin/python3.11",
        f"opt/venv/{SITE}/flytekit-1.16.dist-info/METADATA": b"",
        "usr/lib/python3/dist-packages/six-1.16.0.egg-info": b"",
    }
    found = chosen(DEBIAN, venv, path="/opt/venv/bin:/usr/bin")

    assert found.locked.target.interpreter == "/usr/bin/python3.11"
    assert (found.locked.packages, found.locked.system) == (f"/opt/venv/{SITE}", False)
    assert names(found) == ["flytekit 1.16"]


def test_a_conda_environment() -> None:
    """conda's own record tells the version of a program that does not."""
    found = chosen(
        {
            "opt/conda/bin/python3.11": ELF,
            "opt/conda/bin/python": "python3.11",
            "opt/conda/conda-meta/python-3.11.7-h955ad1f_0.json": b"{}",
            f"opt/conda/{SITE}/numpy-1.26.4.dist-info/METADATA": b"",
            **GLIBC,
        },
        path="/opt/conda/bin:/usr/bin",
    )

    assert (found.locked.target.interpreter, found.locked.target.python_full_version) == (
        "/opt/conda/bin/python3.11",
        "3.11.7",
    )
    assert names(found) == ["numpy 1.26.4"]


def test_an_image_of_ours_is_extended() -> None:
    """Its environment is used on, not a second one made; another environment in our place is left alone."""
    ours: dict[str, bytes | str] = {
        "opt/imagewright/pyvenv.cfg": b"home = /usr/bin\ninclude-system-site-packages = true\n",
        "opt/imagewright/bin/python": "/usr/bin/python3.11",
        "opt/imagewright/bin/python3": "python",
    }
    extended = chosen(DEBIAN, ours, path="/opt/imagewright/bin:/usr/bin").locked
    beside = chosen(DEBIAN, ours, python_exec="/usr/bin/python3").locked

    assert (extended.extends, extended.target.prefix) == (True, "/opt/imagewright")
    assert (beside.extends, beside.target.prefix) == (False, "/opt/imagewright-2")


def test_linked_folders_keep_their_links() -> None:
    """What is written goes where /root and /opt lead."""
    found = chosen(DEBIAN, {"root": "home/boss", "opt": "usr/opt"}).locked

    assert (found.code_folder, found.target.prefix) == ("/home/boss", "/usr/opt/imagewright")


@pytest.mark.parametrize(
    ("layer", "spec", "what", "why"),
    [
        ({"bin/sh": ELF, **GLIBC}, {}, "has no Python", "no program called python3"),
        (DEBIAN, {"python_version": "3.12"}, "has no Python 3.12", "Python 3.11.9 at /usr/bin/python3"),
        (DEBIAN, {"python_version": "3.11.2"}, "has no Python 3.11.2", "/usr/bin/python3 is Python 3.11.9"),
        (DEBIAN, {"python_exec": "/opt/python"}, "has no Python at /opt/python", "at /usr/bin/python3"),
        (
            {"opt/a/bin/python3.11": PYTHON, "opt/b/bin/python3.12": ELF + b"\x003.12.1\0", **GLIBC},
            {},
            "has several Pythons, and none of them is on its PATH",
            "3.11.9 at /opt/a/bin/python3.11",
        ),
        ({"usr/bin/python3.11": PYTHON}, {}, "no C library", "neither glibc nor musl"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    layer: dict[str, bytes | str], spec: dict[str, str], what: str, why: str
) -> None:
    """The error names what the base has."""
    with pytest.raises(LockError, match=what) as refused:
        chosen(layer, **spec)

    assert refused.value.code == "IW204"
    assert why in " ".join(refused.value.why)


def test_a_version_off_the_path_is_found() -> None:
    """python_version chooses among all, also where no name on PATH leads to it."""
    found = chosen(DEBIAN, {"opt/b/bin/python3.12": ELF + b"\x003.12.1\0"}, python_version="3.12")

    assert found.locked.target.interpreter == "/opt/b/bin/python3.12"


@pytest.mark.parametrize(
    ("files", "more"),
    [
        ({"bin/sh": ELF, **GLIBC}, {}),
        (DEBIAN, {"python_version": "3.12"}),
        ({"opt/a/bin/python3.9": PYTHON, "opt/b/bin/python3.10": PYTHON, **GLIBC}, {}),
    ],
)
def test_with_conda_packages_no_python_is_needed(files: dict[str, bytes | str], more: dict[str, str]) -> None:
    """None at all, none of the version, or none that is chosen: the target has none, and conda is asked for it."""
    found = chosen(files, conda_packages=["gdal"], **more)  # type: ignore[arg-type]

    assert (found.locked.target.python, found.locked.target.interpreter) == ("", "")
    assert found.locked.target.libc[0] == "glibc"
    assert found.present == ()


def test_conda_packages_on_a_python_that_is_there() -> None:
    """It stays the image's until conda brings another."""
    assert chosen(DEBIAN, conda_packages=["gdal"]).locked.target.interpreter == "/usr/bin/python3.11"  # type: ignore[arg-type]


def test_an_environment_of_ours_is_added_to_by_its_spec_alone() -> None:
    """A reference does not tell what was asked for there."""
    files = {**DEBIAN, "opt/imagewright-conda/conda-meta/history": b""}

    with pytest.raises(LockError, match="environment of conda packages"):
        chosen(files, conda_packages=["gdal"])  # type: ignore[arg-type]
    assert chosen(files).locked.target.python == "3.11"
