import json
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.base.locked import LockedImage
from imagewright.build.lock import Lock, LockedSpec, requirements_of
from imagewright.build.lock_file import lock_text, read_lock_file
from imagewright.build.remembered import MAX_AGE_SECONDS, RememberedLocks, question
from imagewright.build.session import Session
from imagewright.layer.planned import InputFile
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.target import Target
from imagewright.parallel import run_all
from imagewright.spec import ImageSpec

AMD64 = Platform("linux", "amd64")
DEB = LockedDeb("dash", "0.5.12-2", "amd64", InputFile("deb:debian/pool/main/d/dash.deb", digest_of(b"dash"), 4))
WHEEL = LockedWheel("six", "1.17.0", InputFile("https://example.com/six-1.17.0-py3-none-any.whl", digest_of(b"six"), 3))
LOCK = Lock(digest_of(b"asked"), LockedBase("bookworm", "3.11", AMD64, (DEB,)), (WHEEL,))


def test_a_lock_is_read_back_as_it_was() -> None:
    """Plain values and back again is the same lock."""
    with_apt = replace(LOCK, apt=(DEB,))

    assert Lock.from_json(json.loads(json.dumps(LOCK.to_json()))) == LOCK
    assert Lock.from_json(json.loads(json.dumps(with_apt.to_json()))) == with_apt


@pytest.mark.parametrize("apt", [(), (DEB,)])
def test_a_lock_file_is_read_back_as_it_was(apt: tuple[LockedDeb, ...]) -> None:
    """With what ``apt_packages`` adds, and without."""
    debs = tuple(replace(DEB, name=name, version="2.36-9") for name in ("libc6", "python3.11"))
    lock = replace(LOCK, base=LockedBase("bookworm", "3.11", AMD64, debs), apt=apt)

    assert read_lock_file(lock_text(lock, {}), name="a.toml").lock == lock


IMAGE = LockedImage(
    "docker.io/library/python:3.11-slim",
    Descriptor("application/vnd.oci.image.manifest.v1+json", digest_of(b"manifest"), 8),
    Target(AMD64, "3.11", "/usr/local/bin/python3.11", ("glibc", "2.36"), python_full_version="3.11.9"),
    packages="/opt/venv/lib/python3.11/site-packages",
    system=False,
    code_folder="/home/root",
)


DEBIAN = LockedBase(
    "bookworm",
    "3.11",
    AMD64,
    tuple(
        replace(DEB, name=name, version=version) for name, version in (("libc6", "2.36-9"), ("python3.11", "3.11.2-6"))
    ),
)
BELOW = LockedSpec(replace(LOCK, base=DEBIAN, apt=(DEB,)))


CONDA = LockedEnvironment(
    "/opt/imagewright-conda",
    (
        LockedConda(
            "python",
            "3.12.1",
            "h1_0_cpython",
            "",
            InputFile("https://example.com/c/linux-64/p.conda", digest_of(b"p"), 1),
        ),
        LockedConda(
            "pure", "1.0", "py_0", "python", InputFile("https://example.com/c/noarch/q.conda", digest_of(b"q"), 1)
        ),
    ),
    ("pure>=1",),
)


@pytest.mark.parametrize("base", [DEBIAN, IMAGE, LockedSpec(replace(LOCK, base=DEBIAN, conda=CONDA))])
def test_a_lock_with_conda_packages_is_read_back_also_from_its_file(
    base: LockedBase | LockedImage | LockedSpec,
) -> None:
    """In the lock itself and in that of a base; conda's Python is what wheels are installed for."""
    lock = replace(LOCK, base=base, conda=CONDA)

    assert Lock.from_json(json.loads(json.dumps(lock.to_json()))) == lock
    assert read_lock_file(lock_text(lock, {}), name="a.toml").lock == lock
    assert (lock.target.python, lock.target.prefix) == ("3.12", "/opt/imagewright-conda")
    assert lock.target.interpreter == "/opt/imagewright-conda/bin/python3.12"
    assert lock.target.libc == lock.base_target.libc


@pytest.mark.parametrize("base", [DEBIAN, IMAGE, BELOW, LockedSpec(replace(LOCK, base=IMAGE))])
def test_a_lock_of_any_base_is_read_back_also_from_its_file(base: LockedBase | LockedImage | LockedSpec) -> None:
    """Debian packages, an image of somebody else's, and another spec with a base of its own."""
    lock = replace(LOCK, base=base)

    assert Lock.from_json(json.loads(json.dumps(lock.to_json()))) == lock
    assert read_lock_file(lock_text(lock, {}), name="lock").lock == lock


def test_a_lock_answers_requirements_and_nothing_else() -> None:
    """Environment, name and registry of a spec ask for no other packages; another version does."""
    spec = ImageSpec(packages=["numpy==1.26.4"])

    same = ImageSpec(name="x", registry="ghcr.io/acme", env={"A": "b"}, entrypoint=[], packages=["NumPy == 1.26.4"])

    assert requirements_of(spec, AMD64) == requirements_of(same, AMD64)
    assert requirements_of(spec, AMD64) == requirements_of(spec.with_commands("make"), AMD64)
    assert requirements_of(spec, AMD64) != requirements_of(spec.with_packages("six"), AMD64)
    assert requirements_of(spec, AMD64) != requirements_of(spec.with_apt_packages("git"), AMD64)
    assert requirements_of(spec, AMD64) != requirements_of(spec, Platform("linux", "arm64"))


def test_a_lock_is_remembered_for_a_day(tmp_path: Path) -> None:
    """A lock serves again within a day, and after that only where nothing can be asked."""
    now = [1000.0]
    memory = RememberedLocks(tmp_path, now=lambda: now[0])
    asked = digest_of(b"question")
    memory.remember(asked, LOCK)

    assert memory.find(asked) == LOCK
    now[0] += MAX_AGE_SECONDS + 1
    assert memory.find(asked) is None
    assert memory.find(asked, any_age=True) == LOCK


def test_a_clock_that_stepped_back_does_not_keep_a_lock_for_ever(tmp_path: Path) -> None:
    """A lock from the future is of no known age, so it is resolved again."""
    now = [1000.0]
    memory = RememberedLocks(tmp_path, now=lambda: now[0])
    memory.remember(digest_of(b"question"), LOCK)

    now[0] = 10.0

    assert memory.find(digest_of(b"question")) is None


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"resolved": "x"}', b"null"])
def test_a_damaged_memory_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    """What was resolved can be resolved again."""
    memory = RememberedLocks(tmp_path)
    memory.remember(digest_of(b"question"), LOCK)
    (tmp_path / f"{hex_of(digest_of(b'question'))}.json").write_bytes(damage)

    assert memory.find(digest_of(b"question"), any_age=True) is None


def test_the_settings_of_indexes_are_part_of_the_question_and_passwords_are_not(tmp_path: Path) -> None:
    """Another index may have other packages; another password has not."""
    asked = digest_of(b"")

    def ask(**environ: str) -> str:
        return question(asked, PipSettings(), Session(tmp_path, environ))

    assert ask(UV_INDEX="https://a:b@example.com/simple") == ask(UV_INDEX="https://c:d@example.com/simple")
    assert ask(UV_INDEX="https://example.com/simple") != ask()
    assert ask(UV_INDEX_ACME_PASSWORD="secret") == ask(HOME="/home/a") == ask()
    assert question(asked, PipSettings(no_index=True), Session(tmp_path)) != ask()


def test_threads_remember_at_once(tmp_path: Path) -> None:
    """Images of one command ask the same question at the same time: none takes another's half-written file away."""
    memory = RememberedLocks(tmp_path)
    asked = digest_of(b"question")

    run_all(lambda _: memory.remember(asked, LOCK), range(400), jobs=8)

    assert memory.find(asked) == LOCK
    assert [path.name for path in tmp_path.iterdir()] == [f"{hex_of(asked)}.json"]
