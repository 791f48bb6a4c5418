"""What ``apt_packages`` leaves is what apt itself leaves, on the same base with the same mirror."""

import hashlib
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.destination import local_tag
from imagewright.build.image import build_image
from imagewright.build.inputs import mirrors
from imagewright.build.lock import Lock
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.errors import ImagewrightError
from imagewright.events import Event, StepOutput
from imagewright.layer.read import entries
from imagewright.oci.platform import Platform
from imagewright.packages.deb.apt import IGNORED
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.signature import DEFAULT_KEYRING
from imagewright.sandbox.bubblewrap import Bind, Command, mount_points, run
from imagewright.sandbox.bwrap import STEP_CAPABILITIES, find_bubblewrap
from imagewright.sandbox.difference import difference
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.spec import ImageSpec
from imagewright.store.contents import blobs_of
from imagewright.store.layout import Layout

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.tool]

# git: many dependencies; cron: a group, a setgid program, a folder of that group; sudo: setuid and conffiles. The others
# are of packages that are unpacked without dpkg: libraries, links, alternatives, documentation that is left out.
SETS = {
    "users": ["git", "cron", "sudo"],
    "questions": ["libpaper1", "patch"],
    "libraries": ["binutils", "cpp", "libldap-2.5-0", "make", "patch", "xz-utils"],
}

ACCEPTED = {
    "var/lib/apt/extended_states": "apt writes its stanzas in an order of its own: they are compared sorted",
}
"""Paths whose bytes may differ, and in what. What `IGNORED` lists is on neither side."""

Said = tuple[object, ...]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A cache for this module, and for the next run where IMAGEWRIGHT_TEST_CACHE names a folder."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's files have one owner")
    if not DEFAULT_KEYRING.exists():
        pytest.skip("debian-archive-keyring is not installed")
    named = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    folder = Path(named) / "apt" if named else tmp_path_factory.mktemp("cache")
    session = Session(folder, dict(os.environ), upgrade=True)  # apt takes what the mirror has now
    try:
        mirrors(session)
    except ImagewrightError as error:
        pytest.skip(str(error))
    yield session
    session.transport.close()


@pytest.mark.parametrize("packages", SETS.values(), ids=SETS)
def test_the_layer_has_what_apt_leaves(session: Session, tmp_path: Path, packages: list[str]) -> None:
    """Paths, kinds, modes, owners, times, links and bytes are the same; so are the states that apt remembers."""
    spec = ImageSpec("tree", apt_packages=packages, directory=tmp_path)
    build_image(spec, Platform("linux", "amd64"), spec.reference, session)
    lock = lock_of(spec, Platform("linux", "amd64"), session)
    assert {deb.name for deb in lock.apt} >= set(packages)

    base, ours = layers_of(spec, session)[:2]
    mine = dict(layer_entries(ours))
    theirs = apt_itself(base, packages, lock, session, tmp_path)

    assert mine.keys() ^ theirs.keys() == set()
    assert {path: (mine[path], theirs[path]) for path in mine if mine[path] != theirs[path]} == {}
    if "git" in packages:
        assert "usr/bin/git" in mine
        assert mine["usr/bin/sudo"][1] == 0o4755
        assert mine["usr/bin/crontab"][1:4:2] == (0o2755, mine["var/spool/cron/crontabs"][3])


def test_most_packages_are_unpacked_without_dpkg(session: Session, tmp_path: Path) -> None:
    """It has their scripts to run alone. A script before that does nothing is none; one that does something is dpkg's."""
    said: list[str] = []

    def listen(event: Event) -> None:
        said.extend([event.text] if isinstance(event, StepOutput) else [])

    spec = ImageSpec("native", apt_packages=["sudo", "libcrypt-dev"], commands=[], directory=tmp_path)
    for name in ("files", "index"):
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache" / name).symlink_to(session.cache_dir / name)
    session = replace(session, listen=listen, cache_dir=tmp_path / "cache")
    build_image(spec, Platform("linux", "amd64"), spec.reference, session)

    assert [line.split()[1] for line in said if line.startswith("Unpacking ")] == []
    assert {line.split()[2] for line in said if line.startswith("Setting up ")} >= {"sudo", "libcrypt-dev:amd64"}


def layers_of(spec: ImageSpec, session: Session) -> list[StoredLayer]:
    """The layers of the spec's image in the local store."""
    from imagewright.runners.images import stored_image

    store = Layout(session.store_dir)
    found = store.resolve(local_tag(spec.reference))
    assert found is not None
    assert blobs_of(found, b"".join(store.fetch(found)))
    return list(stored_image(found, store).layers)


def layer_entries(layer: StoredLayer) -> Iterator[tuple[str, Said]]:
    """Path -> kind, mode, uid, gid, time, link, content."""
    with entries(layer.chunks(), layer.media_type) as tar:
        for entry in tar:
            kind = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
            content = tar.extractfile(entry).read() if entry.isreg() else b""  # type: ignore[union-attr]
            content = b"\n\n".join(sorted(content.split(b"\n\n"))) if entry.name in ACCEPTED else content
            mode = 0 if entry.issym() else entry.mode
            yield (
                entry.name,
                (
                    *(kind.get(entry.type, "file"), mode, entry.uid, entry.gid, int(entry.mtime)),
                    *(entry.linkname, hashlib.sha256(content).hexdigest()),
                ),
            )


def apt_itself(base: StoredLayer, packages: list[str], lock: Lock, session: Session, tmp_path: Path) -> dict[str, Said]:
    """The same of what apt-get update and install leave on the base."""
    assert isinstance(lock.base, LockedBase)
    known = mirrors(session)
    sources = tmp_path / "sources.list"
    release = lock.base.release
    sources.write_text(
        "".join(
            f"deb [signed-by=/keyring.gpg] {address} {suite} main\n"
            for address, suite in (
                (known.debian, release),
                (known.debian, f"{release}-updates"),
                (known.security, f"{release}-security"),
            )
            if address
        )
    )
    binds = (Bind(sources, "/etc/apt/sources.list"), Bind(DEFAULT_KEYRING, "/keyring.gpg"))
    return installed_by_apt([base], packages, session, tmp_path, binds)


def installed_by_apt(
    layers: list[StoredLayer], packages: list[str], session: Session, tmp_path: Path, binds: tuple[Bind, ...] = ()
) -> dict[str, Said]:
    """What apt-get update and install leave on these layers, as `layer_entries` tells it."""
    stack = Rootfs(session.rootfs_dir).prepare(layers)
    upper = tmp_path / "overlay"
    (upper / "upper").mkdir(parents=True)
    (upper / "upper").chmod(0o755)
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    command = Command(
        ("/bin/sh", "-ec", f"apt-get -qq update; apt-get -qq install --no-install-recommends {' '.join(packages)}"),
        {"DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"},
        user="0",
        binds=(*binds, Bind(policy, "/usr/sbin/policy-rc.d")),
        capabilities=STEP_CAPABILITIES,
    )
    lines: list[str] = []
    began = time.time()
    ended = run(find_bubblewrap(), stack, command, on_stdout=lines.append, on_stderr=lines.append, upper=upper)
    assert ended.exit_code == 0, lines[-10:]
    found: dict[str, Said] = {}
    for change in difference(upper / "upper", stack, ignored=(*mount_points(stack, command), *IGNORED), newest=began):
        content = Path(change.source).read_bytes() if change.source else b""
        content = b"\n\n".join(sorted(content.split(b"\n\n"))) if change.path in ACCEPTED else content
        mode = 0 if change.kind == "symlink" else change.mode
        digest = hashlib.sha256(content).hexdigest()
        if change.kind == "whiteout":
            found[change.path] = ("file", 0o644, 0, 0, 0, "", digest)
            continue
        found[change.path] = (change.kind, mode, change.uid, change.gid, change.mtime, change.link, digest)
    return found
