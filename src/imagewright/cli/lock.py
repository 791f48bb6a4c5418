"""`imagewright lock FILE`: what a file's images are made of, pinned, as files to keep beside it."""

import os
from contextlib import suppress
from pathlib import Path

import click

from imagewright.build.base.locked import LockedImage
from imagewright.build.lock import Lock, LockedSpec, requirements_of
from imagewright.build.lock_check import check_locked
from imagewright.build.lock_file import lock_text, read_lock
from imagewright.build.portable import relative
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.builders.native import check_supported
from imagewright.cli.app import App
from imagewright.cli.options import build_options, talk_options
from imagewright.cli.session import session_of
from imagewright.cli.stored import short
from imagewright.cli.terminal import many
from imagewright.cli.userfile import read_file, specs_in
from imagewright.errors import SpecError, StoreError
from imagewright.oci.platform import Platform
from imagewright.packages.deb.locked import LockedBase
from imagewright.spec import ImageSpec


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--show", is_flag=True, help="Print the locks on stdout, and write no file.")
@click.option("--upgrade", is_flag=True, help="Resolve all of it anew, and say what has changed.")
@click.option("--locked", is_flag=True, help="Write nothing: fail when a lock file is not there, or out of date.")
@build_options
@talk_options
@click.pass_obj
def lock(app: App, file: Path, show: bool, upgrade: bool, locked: bool) -> None:
    """Write the lock files of the images that a file names.

    They are pylock.toml files (PEP 751), which pip and uv can read. As long as one is there, its image is made of exactly what it
    lists. When an image asks for something else, what still fits keeps its version.
    """
    specs = specs_in(read_file(file))
    session = session_of(app, upgrade=upgrade, locked=locked, specs=specs)
    if locked:
        check_locked(specs)
    texts: dict[str, str] = {}
    named: dict[Path, ImageSpec] = {}
    for spec in specs:
        for platform in check_supported(spec):
            app.console.say(f"{spec.name}  {platform}")
            path = spec.lock_file(platform)
            if named.setdefault(path, spec).required != spec.required:
                raise SpecError(
                    f"two images are called {spec.name!r} and want different packages, so they cannot share a lock file",
                    fix='give each a name: ImageSpec(name="...")',
                    where=spec.where,
                )
            made = _locked(spec, platform, path, session)
            text = texts[str(path)] = lock_text(relative(made, spec.directory), spec.content)
            if show or locked:
                continue
            verb = "Wrote" if _write(path, text) else "Unchanged"
            shown = path.relative_to(app.directory) if path.is_relative_to(app.directory) else path
            app.console.say(f"{verb} {shown}  {many(len(made.wheels), 'package')}, {_conda(made)}{_base(made)}")
    app.console.answer("\n".join(texts.values()).rstrip() if show else "", {"locks": texts})


def _locked(spec: ImageSpec, platform: Platform, path: Path, session: Session) -> Lock:
    """The lock that the file should have. One that is there gives way to a new one when it answers something else."""
    before = read_lock(path) if path.exists() and not session.upgrade else None
    if before is not None and before.lock.asked == requirements_of(spec, platform):
        before = None
    return lock_of(spec, platform, session, upgrade=session.upgrade, before=before)


def _write(path: Path, text: str) -> bool:
    """Write the lock file, whole or not at all; whether it was needed.

    Raises:
        StoreError: It cannot be written; the one that was there is as it was.
    """
    data = text.encode()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and path.read_bytes() == data:
            return False
        path.parent.mkdir(exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise StoreError(f"the lock file {path} cannot be written", why=error.strerror or str(error)) from error
    return True


def _conda(locked: Lock) -> str:
    return f"{len(locked.conda.packages)} of conda, " if locked.conda else ""


def _base(locked: Lock) -> str:
    """What the base is, in words."""
    match locked.base:
        case LockedBase():
            return f"{len(locked.base.debs)} of Debian"
        case LockedImage():
            return f"on {locked.base.reference} at {short(locked.base.manifest.digest)}"
        case LockedSpec():
            return f"on {many(len(locked.base.lock.environment), 'package')} of its base"
