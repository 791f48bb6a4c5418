"""``apt_packages`` on somebody else's image: its own apt says, in the sandbox, which packages that means; they are pinned."""

import fcntl
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imagewright.build.base.learn import tree_of
from imagewright.build.base.locked import LockedImage
from imagewright.build.base.opened import open_locked
from imagewright.build.base.system import system_of
from imagewright.build.base.tree import Tree
from imagewright.build.inputs import mirrors
from imagewright.build.run_step import sandbox_for
from imagewright.build.session import Session
from imagewright.build.step import GIVEN, SCRATCH
from imagewright.build.stepping import stepping_fields
from imagewright.errors import BuildError, LockError
from imagewright.oci.digest import hex_of
from imagewright.packages.deb.apt import wanted_of
from imagewright.packages.deb.apt_ask import CONF, ENVIRONMENT, SCRIPT, answer, question
from imagewright.packages.deb.base_sources import entries_of, has_debian, moved, text_of, with_suites, without_host
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.mirror import Mirrors
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, run
from imagewright.sandbox.bwrap import STEP_CAPABILITIES
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser
from imagewright.spec import ImageSpec
from imagewright.store.gathered import Gathered
from imagewright.store.layout import Layout

TIMEOUT_SECONDS = 600.0

_MOST_LINES = 400_000  # the names of all packages, where one was not found
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def plan_apt(
    spec: ImageSpec, below: ImageSpec, base: LockedImage, wanted: Sequence[str], session: Session, *, snapshot: str
) -> tuple[LockedDeb, ...]:
    """The packages, pinned, that ``apt-get install --no-install-recommends`` would fetch for these names.

    ``below`` is the spec that names the image. The archives are those of the image's ``/etc/apt``, and it is its keyrings
    that have to have signed them. Costs the image's layers, which the installation needs anyway, and ``apt-get update``.

    Raises:
        LockError: The image is no Debian or Ubuntu (IW204); apt cannot ask, or not install that (IW206); offline (IW205).
        SandboxError: This machine lets no sandbox be made (IW601), or does not run programs of the platform (IW603).
    """
    source, image = open_locked(below, base, session)
    _check_system(spec, base, tree_of(image, source, session, name=base.reference, keep=False)[0])
    bubblewrap = sandbox_for(spec, session.cache_dir, base.target.platform, stepping_fields(spec))
    blobs = Gathered(Layout(session.store_dir), source)
    layers = [
        StoredLayer(layer.diff_id, layer.descriptor.media_type, lambda blob=layer.descriptor: blobs.fetch(blob))  # type: ignore[misc]
        for layer in image.layers
    ]
    rootfs = Rootfs(session.rootfs_dir)
    lists = session.debian_dir / f"apt-{hex_of(base.manifest.digest)[:32]}{'-' if snapshot else ''}{snapshot}"
    with (
        rootfs.lease(),
        _own(lists) as first,
        tempfile.TemporaryDirectory(dir=session.cache_dir, prefix="ask-") as made,
    ):
        if session.offline and first:
            raise LockError(
                f"the package lists of the base image {base.reference} are not in the cache, and --offline forbids to ask",
                code="IW205",
                fix="run it once without --offline",
            )
        stack = rootfs.prepare(layers)
        known = _mirrors(session, snapshot)
        sources = _sources(stack, base, wanted, known, snapshot)
        asked = question(wanted, GIVEN, SCRATCH, sources=sources, update=not session.offline)
        folder = Path(made)
        folder.chmod(0o755)
        for name, text in asked.texts:
            (folder / name).write_text(text, encoding="utf-8")
        environ = {name: session.environ[name] for name in _both_cases(_PROXIES) if name in session.environ}
        command = Command(
            ("/bin/sh", f"{GIVEN}/{SCRIPT}"),
            {**ENVIRONMENT, **environ, "APT_CONFIG": f"{GIVEN}/{CONF}"},
            "/",
            "0",
            (Bind(folder, GIVEN), Bind(lists, SCRATCH, writable=True)),
            network=not session.offline,
            timeout_seconds=TIMEOUT_SECONDS,
            capabilities=STEP_CAPABILITIES,
        )
        lines: deque[str] = deque(maxlen=_MOST_LINES)
        try:
            ended = run(bubblewrap, stack, command, on_stdout=lines.append, on_stderr=lines.append)
        except (CannotStart, UnknownUser, ValueError) as error:
            raise LockError(
                f"apt of the base image {base.reference} cannot be asked", code="IW204", why=str(error)
            ) from error
        if ended.timed_out or ended.stopped:
            raise BuildError(
                f"apt of the base image {base.reference} did not answer within {TIMEOUT_SECONDS:g} s",
                why=list(lines)[-4:],
            )
        debs = answer(list(lines), wanted, base.reference)
    if known is None:
        return debs
    return tuple(replace(deb, file=replace(deb.file, url=without_host(deb.file.url, known, snapshot))) for deb in debs)


def _check_system(spec: ImageSpec, base: LockedImage, tree: Tree) -> None:
    if tree.entry("/var/lib/dpkg/status") is not None:
        return
    release = system_of(tree).release
    parts = any(path.startswith("/var/lib/dpkg/status.d/") for path, _ in tree.paths())
    raise LockError(
        f"apt_packages cannot be installed on the base image {base.reference}",
        code="IW204",
        why="it has Debian's files without dpkg and apt" if parts else f"it is {release or 'no Debian and no Ubuntu'}",
        fix=[
            "leave base_image out, or name an image of Debian or Ubuntu",
            *([] if parts else [f'commands=["{_installs(release)}"]']),
        ],
        where=spec.where_of("apt_packages"),
    )


def _installs(release: str) -> str:
    return {"alpine": "apk add --no-cache ...", "wolfi": "apk add --no-cache ..."}.get(
        release.partition(" ")[0], "dnf install -y ..."
    )


def _mirrors(session: Session, snapshot: str) -> Mirrors | None:
    """Where Debian's own archives are to be asked, when it is not where the image says."""
    return mirrors(session) if snapshot or session.debian_mirror else None


def _sources(stack: Stack, base: LockedImage, wanted: Sequence[str], known: Mirrors | None, snapshot: str) -> str:
    """The source lists to ask, or "" for the image's own."""
    suites = sorted({one.suite for one in map(wanted_of, wanted) if one.suite})
    own = entries_of(_lists(stack))
    entries = with_suites(own, suites)
    if snapshot and not has_debian(entries):
        raise LockError(
            f"apt_snapshot is of Debian's archive, and the base image {base.reference} does not name it",
            code="IW204",
            why="its /etc/apt names "
            + (", ".join(sorted({uri for one in own for uri in one.get("URIs", "").split()})) or "none"),
            fix="leave apt_snapshot out: the lock file pins the versions as well",
        )
    if known is not None:
        entries = moved(entries, known, snapshot)
    return text_of(entries) if entries != own else ""


def _lists(stack: Stack) -> Iterator[tuple[str, str]]:
    """The names and texts of the image's source lists."""
    folder = "/etc/apt/sources.list.d"
    names = {
        name for below in stack.folders if os.path.isdir(f"{below}{folder}") for name in os.listdir(f"{below}{folder}")
    }
    paths = [f"{folder}/{name}" for name in sorted(names) if name.endswith((".list", ".sources"))]
    for path in ("/etc/apt/sources.list", *paths):
        if stack.exists(path):
            yield path.rpartition("/")[2], stack.read(path).decode("utf-8", "replace")


def _both_cases(names: Sequence[str]) -> tuple[str, ...]:
    return (*names, *(name.upper() for name in names))


@contextmanager
def _own(folder: Path) -> Iterator[bool]:
    """Have a folder of apt's lists for oneself; True when it is new.

    The image's programs write to it as root: nobody else may reach what they leave, and nothing in it is opened here.
    """
    first = not (folder / "lists").is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield first
