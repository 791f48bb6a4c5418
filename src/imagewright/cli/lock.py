"""`imagewright lock FILE`: what a file's images are made of, pinned, as files to keep beside it."""

from pathlib import Path

import click

from imagewright.build.base.locked import LockedImage
from imagewright.build.lock import Lock, LockedSpec, requirements_of
from imagewright.build.lock_file import lock_text, read_lock
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
@click.option("--upgrade", is_flag=True, help="Resolve anew, even when there is a lock file.")
@build_options
@talk_options
@click.pass_obj
def lock(app: App, file: Path, show: bool, upgrade: bool) -> None:
    """Write the lock files of the images that a file names.

    They are pylock.toml files (PEP 751), which pip and uv can read. As long as one is there, its image is made of exactly what it
    lists.
    """
    session = session_of(app, upgrade=upgrade)
    texts: dict[str, str] = {}
    named: dict[Path, ImageSpec] = {}
    for spec in specs_in(read_file(file)):
        for platform in check_supported(spec):
            _lock(app, spec, platform, session, texts, named, show=show, upgrade=upgrade)
    app.console.answer("\n".join(texts.values()).rstrip() if show else "", {"locks": texts})


def _lock(
    app: App,
    spec: ImageSpec,
    platform: Platform,
    session: Session,
    texts: dict[str, str],
    named: dict[Path, ImageSpec],
    *,
    show: bool,
    upgrade: bool,
) -> None:
    """Lock a spec for one platform: the text goes into ``texts`` and, unless it is only shown, into its file."""
    app.console.say(f"{spec.name}  {platform}")
    path = spec.lock_file(platform)
    if named.setdefault(path, spec).required != spec.required:
        raise SpecError(
            f"two images are called {spec.name!r} and want different packages, so they cannot share a lock file",
            fix='give each a name: ImageSpec(name="...")',
            where=spec.where,
        )
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    locked = lock_of(spec, platform, session, upgrade=upgrade or not _answers(known, spec, platform))
    text = texts[str(path)] = lock_text(locked)
    if show:
        return
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the lock file {path} cannot be written", why=str(error)) from error
    verb = "Unchanged" if text == known else "Wrote"
    shown = path.relative_to(app.directory) if path.is_relative_to(app.directory) else path
    app.console.say(f"{verb} {shown}  {many(len(locked.wheels), 'package')}, {_base(locked)}")


def _base(locked: Lock) -> str:
    """What the base is, in words."""
    match locked.base:
        case LockedBase():
            return f"{len(locked.base.debs)} of Debian"
        case LockedImage():
            return f"on {locked.base.reference} at {short(locked.base.manifest.digest)}"
        case LockedSpec():
            return f"on {many(len(locked.base.lock.environment), 'package')} of its base"


def _answers(known: str, spec: ImageSpec, platform: Platform) -> bool:
    """Whether the text of a lock file is of what the image asks for now. One that cannot be read is an error."""
    return not known or read_lock(known, name="the lock file").asked == requirements_of(spec, platform)
