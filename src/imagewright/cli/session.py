"""The surroundings of a build, from the settings."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from imagewright.build.session import Session
from imagewright.cli.app import App
from imagewright.errors import StoreError, UsageError
from imagewright.events import Noted
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.transport import Transport

# Source: Cache Directory Tagging Specification 0.6. Backup programs leave out a folder that has it.
_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This folder is imagewright's cache: it can be thrown away, and is then made again.
"""


def session_of(app: App, *, upgrade: bool = False, locked: bool = False, specs: Iterable[ImageSpec] = ()) -> Session:
    """The session that a command builds in. Its cache folder is there and marked as one.

    The logins that ``specs`` bring along (``registry_config``) go before the machine's.

    Raises:
        UsageError: It should be both, resolved anew and as it is locked.
        StoreError: The cache folder cannot be made.
    """
    if upgrade and locked:
        raise UsageError("--locked and --upgrade cannot be had together", fix="leave one of them out")
    settings = app.settings
    mark_cache(settings.cache_dir)
    session = Session(
        cache_dir=settings.cache_dir,
        environ=app.environ,
        registry=settings.registry,
        builder=settings.builder,
        jobs=settings.jobs,
        offline=settings.offline,
        upgrade=upgrade,
        locked=locked,
        debian_mirror=settings.debian_mirror,
        debian_keyring=settings.debian_keyring,
        debian_snapshots=settings.debian_snapshots,
        insecure_registries=settings.insecure_registries,
        assume_exists=bool(app.flags.get("assume_exists")),
        layer_cache=settings.layer_cache,
        listen=app.console.listen,
        transport=transport_of(app),
    )
    if not specs:
        return session
    from imagewright.build.registry_config import with_registry_configs

    return with_registry_configs(specs, session)


def transport_of(app: App) -> Transport:
    """The HTTP client, with the certificates that docker and podman have for single hosts."""
    home = Path(app.environ.get("HOME") or "/")
    folders = ("/etc/docker", "/etc/containers", home / ".config" / "containers", home / ".docker")
    return Transport(
        insecure_hosts=app.settings.insecure_registries,
        certificates=tuple(Path(folder) / "certs.d" for folder in folders),
        waits=lambda host, seconds: app.console.listen(
            Noted(f"{host} asks to be left alone for {seconds:.0f}s: waiting")
        ),
    )


def store_of(app: App) -> Layout:
    """The local store, which need not be there yet."""
    return Layout(app.settings.cache_dir / "store")


def mark_cache(folder: Path) -> None:
    """Make the cache folder, and say in it that it is one.

    Raises:
        StoreError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder} cannot be made",
            why=error.strerror or str(error),
            fix="choose another: --cache-dir DIR, or IMAGEWRIGHT_CACHE_DIR",
        ) from error
    with suppress(OSError), (folder / "CACHEDIR.TAG").open("x") as tag:  # it is there, or the folder is another's
        tag.write(_TAG)
