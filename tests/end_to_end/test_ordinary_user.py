"""The program run by users who are not root: images are those that root makes, or an error says what cannot be."""

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.end_to_end.conftest import command
from tests.sandbox.ordinary import OrdinaryUser, lent_user, ordinary_user

__all__ = ["lent_user", "ordinary_user"]

pytestmark = [pytest.mark.network, pytest.mark.root]

APP = """
from imagewright import ImageSpec

image = ImageSpec(
    "mine",
    packages=["six==1.17.0"],
    apt_packages=[{apt!r}],
    copy=["given.txt"],
    secrets={{"TOKEN": "env:TOKEN"}},
    commands={commands!r},
    compile_bytecode=True,
)
"""
OWNERS = [
    "useradd -m bob && echo x > /home/bob/f && chown -R bob: /home/bob && chmod 6755 /home/bob/f",
    "cp -a /home/bob /opt/bob; cp -a /usr/bin/passwd /opt/passwd; ln /opt/passwd /opt/again; chown 33:44 /srv",
    "su bob -c 'touch ~/by-bob' && test -n \"$TOKEN\" && rm /etc/motd",
]
ROOTS = [
    "python -c 'import six' && cp -a /usr/bin/passwd /opt/passwd && chmod 4755 /root/given.txt",
    'git init -q /srv/repo && rm -r /etc/motd && test -n "$TOKEN"',
]
"""Commands whose files are all root's."""

Build = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def build_as(cache: Path) -> Iterator[Callable[[OrdinaryUser, Path], Build]]:
    """``imagewright`` as a user, who has resolved before what is resolved in the shared cache."""
    made: list[Path] = []

    def run_as(user: OrdinaryUser, project: Path) -> Build:
        folder = Path(tempfile.mkdtemp(prefix="imagewright-project-"))
        made.append(folder)
        shutil.copytree(project, folder / "project")
        if (cache / "locks").is_dir():
            shutil.copytree(cache / "locks", folder / "cache" / "locks")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.uid, user.uid, follow_symlinks=False)
        libraries = sysconfig.get_path("purelib")

        def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
            keep = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
            return subprocess.run(
                [user.python, "-c", "import sys; from imagewright.cli.main import main; sys.exit(main())", *arguments],
                cwd=folder / "project",
                env={
                    **keep,
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(user.home),
                    "TOKEN": "canary-of-the-user",
                    "IMAGEWRIGHT_CACHE_DIR": str(folder / "cache"),
                    "PYTHONPATH": f"{user.home}/code:{libraries}",
                },
                user=user.uid,
                group=user.uid,
                extra_groups=[],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )

        needed = [user.python, "-c", "import click, httpx2, isal.isal_zlib, uv"]
        reached = {"env": {"PYTHONPATH": libraries}, "user": user.uid, "group": user.uid, "extra_groups": []}
        if subprocess.run(needed, capture_output=True, timeout=60, check=False, **reached).returncode:  # type: ignore[call-overload]
            pytest.skip("an ordinary user cannot reach the packages of this Python environment")
        return run

    yield run_as
    for folder in made:
        shutil.rmtree(folder)


def project(folder: Path, apt: str, commands: list[str]) -> Path:
    made = folder / "project"
    made.mkdir()
    (made / "given.txt").write_text("given")
    (made / "app.py").write_text(APP.format(apt=apt, commands=commands))
    (made / "chown.py").write_text(APP.format(apt=apt, commands=[*commands, "chown 33 /srv"]))
    return made


def test_with_lent_ids_the_image_is_root_s(
    tmp_path: Path, cache: Path, lent_user: OrdinaryUser, build_as: Callable[[OrdinaryUser, Path], Build]
) -> None:
    """Packages with users of their own, chown, su, setuid files, links and copies: layers are the same."""
    folder = project(tmp_path, "cron", OWNERS)
    root = command(cache, folder)

    run = build_as(lent_user, folder)
    mine, roots = run("build", "app.py"), root("build", "app.py", TOKEN="canary-of-the-user")

    assert mine.returncode == 0, mine.stderr
    assert "no ids are lent" not in mine.stderr
    assert diff_ids(run, mine.stdout) == diff_ids(root, roots.stdout), roots.stderr
    looked = run("shell", "mine", "stat", "-c", "%U %a", "/opt/bob/f", "/opt/passwd")
    assert looked.stdout == "bob 6755\nroot 4755\n", looked.stderr
    assert run("cache", "prune").returncode == 0


def test_with_one_user_what_is_root_s_is_the_same_and_the_rest_is_said(
    tmp_path: Path, cache: Path, ordinary_user: OrdinaryUser, build_as: Callable[[OrdinaryUser, Path], Build]
) -> None:
    """git from Debian, setuid files and a secret as root has them; a chown is an error that says what helps."""
    folder = project(tmp_path, "git", ROOTS)
    root = command(cache, folder)
    run = build_as(ordinary_user, folder)

    mine, roots = run("build", "app.py"), root("build", "app.py", TOKEN="canary-of-the-user")

    assert mine.returncode == 0, mine.stderr
    assert "no ids are lent to this user" in mine.stderr
    assert diff_ids(run, mine.stdout) == diff_ids(root, roots.stdout), roots.stderr

    refused = run("build", "chown.py")
    assert refused.returncode == 1
    assert "usermod --add-subuids" in refused.stderr
    assert "imagewright shell mine:failed" in refused.stderr


def diff_ids(run: Build, said: str) -> list[str]:
    document = json.loads(run("image", "inspect", said.strip(), "--output", "json").stdout)
    (platform,) = document["platforms"].values()
    found = platform["config"]["rootfs"]["diff_ids"]
    assert isinstance(found, list)
    return found
