"""The same spec gives the same bytes, whoever builds it, where, and with what in the cache."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.network

APP = """\
from imagewright import ImageSpec

image = ImageSpec(
    name="same",
    packages=["numpy==1.26.4", "six==1.17.0", "idna==3.10", "click==8.1.8", "tabulate==0.9.0"],
    env={"B": "2", "A": "1"},
    copy=["source"],
)
"""
BASE_APP = 'from imagewright import ImageSpec\n\nimage = ImageSpec(name="base")\n'
SHARED = ("files", "index", "uv")  # what was downloaded: the same in every run, so that these stay quick
ORDINARY_UID = 12345


@dataclass(frozen=True)
class Surroundings:
    """What must not matter. ``cache`` is "cold": nothing is known; "base": the base is; "warm": the image was built."""

    umask: int
    locale: str
    timezone: str
    place: str
    uid: int
    hash_seed: str
    jobs: str
    cache: str


def surroundings() -> list[Surroundings]:
    """Twenty, in which every value of one meets several of the others; the base is made anew in four of them."""
    values = zip(
        itertools.cycle((0o022, 0o077, 0o000)),
        itertools.cycle(("C", "C.UTF-8", "tr_TR.UTF-8", "POSIX")),
        itertools.cycle(("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "UTC+11")),
        itertools.cycle(("a", "deep/er/place", "with space", "ünïcode")),
        itertools.cycle((0, 0, ORDINARY_UID)),
        itertools.cycle(("0", "1", "4711", "random", "99")),
        itertools.cycle(("1", "2", "8", "3")),
        itertools.cycle(("cold", "base", "base", "warm", "base")),
        strict=False,
    )
    return [Surroundings(*combination) for combination in itertools.islice(values, 20)]


def test_nothing_around_a_build_reaches_the_image(cache: Path, tmp_path: Path) -> None:
    """Manifest digests are equal over twenty surroundings, so config, layers and diff_ids are."""
    known = tmp_path / "known"
    _share(cache, known)
    first = surroundings()[0]
    _build(first, known, _project(tmp_path / "base", BASE_APP, 0o022))

    digests = {}
    for number, around in enumerate(surroundings()):
        folder = tmp_path / str(number)
        if around.cache == "cold":
            _share(cache, folder / "cache")
        else:
            shutil.copytree(known, folder / "cache", symlinks=True)
        project = _project(folder / around.place, APP, around.umask)
        _give(around.uid, folder)
        digests[around] = _build(around, folder / "cache", project)
        if around.cache == "warm":
            assert _build(around, folder / "cache", project, "--force") == digests[around]
        shutil.rmtree(folder)

    assert len(digests) == 20
    assert len(set(digests.values())) == 1, digests


def _share(cache: Path, folder: Path) -> None:
    """A cache that knows nothing but what was downloaded."""
    folder.mkdir(parents=True)
    for part in SHARED:
        (cache / part).mkdir(parents=True, exist_ok=True)
        (folder / part).symlink_to(cache / part)


def _project(folder: Path, app: str, umask: int) -> Path:
    """A user's project, with files as that umask makes them."""
    before = os.umask(umask)
    try:
        (folder / "source/part").mkdir(parents=True)
        (folder / "app.py").write_text(app)
        for name in ("source/b.py", "source/a.py", "source/part/c.py"):
            (folder / name).write_text(f"NAME = {name!r}\n")
    finally:
        os.umask(before)
    return folder


def _give(uid: int, *folders: Path) -> None:
    """Let this user write there."""
    if os.geteuid() == 0 and uid:
        for folder in folders:
            subprocess.run(
                ["chown", "--recursive", "--no-dereference", f"{uid}:{uid}", str(folder)], check=True, timeout=60
            )


def _build(around: Surroundings, cache: Path, project: Path, *options: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEWRIGHT_", "LC_"))}
    environ |= {
        "IMAGEWRIGHT_CACHE_DIR": str(cache),
        "XDG_CONFIG_HOME": str(project / "config"),
        "HOME": str(project),
        "LC_ALL": around.locale,
        "TZ": around.timezone,
        "PYTHONHASHSEED": around.hash_seed,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [str(Path(sys.executable).with_name("imagewright")), "build", "app.py", "--jobs", around.jobs, *options]
    if os.geteuid() == 0 and around.uid:
        # Another user, who still reads the checkout and the interpreter wherever they are.
        rights = "+dac_override"
        ids = [f"--reuid={around.uid}", f"--regid={around.uid}", "--clear-groups"]
        command = ["setpriv", *ids, f"--inh-caps={rights}", f"--ambient-caps={rights}", *command]
    built = subprocess.run(
        command,
        cwd=project,
        env=environ,
        umask=around.umask,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert re.fullmatch(r"(same|base)@sha256:[0-9a-f]{64}\n", built.stdout), (around, built.stderr)
    return built.stdout
