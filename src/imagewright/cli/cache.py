"""`imagewright cache`: how big the cache is, where, and throwing away what nothing needs."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagewright.cli.app import App
from imagewright.cli.options import talk_options
from imagewright.cli.session import mark_cache, store_of
from imagewright.cli.stored import diff_ids_of_images
from imagewright.cli.terminal import many, size_text
from imagewright.errors import SandboxError
from imagewright.oci.digest import DiffID
from imagewright.sandbox.process import Stop
from imagewright.sandbox.rootfs import ROOTFS, Rootfs

if TYPE_CHECKING:
    from imagewright.sandbox.apart import Apart

PARTS = {
    "store": "layers and images of the local store",
    "files": "downloaded wheels and Debian packages",
    "uv": "uv's own cache",
    "rootfs": "unpacked layers, for containers",
    "index": "indexes of Debian archives",
    "layers": "which layer each key has led to",
    "locks": "what requirements were resolved to",
    "bases": "what base images hold",
    "built": "which wheel each source has become",
    "git": "repositories that packages come from",
}

DOWNLOADS = ("files", "uv", "index", "git")


@click.group()
def cache() -> None:
    """Say how big the cache is and where, and throw away what nothing needs."""


@cache.command(name="dir")
@talk_options
@click.pass_obj
def dir_(app: App) -> None:
    """Print the cache folder."""
    folder = str(app.settings.cache_dir)
    app.console.answer(folder, {"dir": folder})


@cache.command()
@talk_options
@click.pass_obj
def size(app: App) -> None:
    """Say how much is in each part of the cache."""
    folder = app.settings.cache_dir
    sizes = {name: size_on_disk(folder / name) for name in PARTS}
    sizes["rootfs"] += sum(map(size_on_disk, folder.glob(f"{ROOTFS}-*")))
    total = sum(sizes.values())
    lines = [f"{name:<8}{size_text(sizes[name]):>10}  {meaning}" for name, meaning in PARTS.items() if sizes[name]]
    app.console.answer("\n".join([*lines, f"{'total':<8}{size_text(total):>10}"]), {**sizes, "total": total})


@cache.command()
@click.option("--downloads", is_flag=True, help="Downloaded files too: they are downloaded again when they are needed.")
@talk_options
@click.pass_obj
def prune(app: App, downloads: bool) -> None:
    """Throw away the layers that no image of the local store has.

    What was made or used within the last hour stays. Layers that were unpacked for containers go at once, unless an image
    has them or a container runs.
    """
    folder = app.settings.cache_dir
    mark_cache(folder)
    store = store_of(app)
    usage = store.prune()
    app.console.say(f"Removed {many(usage.blobs, 'blob')}, {size_text(usage.size)}")
    unpacked = _prune_unpacked(folder, diff_ids_of_images(store))
    app.console.say(f"Removed unpacked layers, {size_text(unpacked)}")
    freed = sum(_thrown_away(folder / part) for part in DOWNLOADS) if downloads else 0
    if downloads:
        app.console.say(f"Removed downloaded files, {size_text(freed)}")
    document = {"blobs": usage.blobs, "size": usage.size, "unpacked_size": unpacked, "downloads_size": freed}
    app.console.answer("", document)


def _prune_unpacked(folder: Path, keep: set[DiffID]) -> int:
    """Remove unpacked layers. Those of steps may belong to ids that are lent to this user: only root of these can."""
    freed = Rootfs(folder / ROOTFS).prune(keep) + Rootfs(folder / f"{ROOTFS}-single").prune(keep)
    if any(other.name != f"{ROOTFS}-single" for other in folder.glob(f"{ROOTFS}-*")):
        from imagewright.sandbox.apart import do_apart

        with suppress(SandboxError):  # they stay, where no namespace can be made any more
            freed += do_apart(_prune_there, folder, keep, stop=Stop())
    return freed


def _prune_there(place: "Apart", layers: object, folder: Path, keep: set[DiffID]) -> int:
    return place.rootfs(folder).prune(keep)


def _thrown_away(folder: Path) -> int:
    """Remove a folder, and say how big it was. It is renamed first, so that whoever looks finds all of it or nothing."""
    if not folder.is_dir():
        return 0
    size = size_on_disk(folder)
    trash = folder.with_name(f".trash-{folder.name}-{os.getpid()}")
    folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)
    return size


def size_on_disk(folder: Path) -> int:
    """Bytes that the files under a folder take. A file with several names counts once; what cannot be read, not at all."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for parent, _, names in os.walk(folder, onerror=None):
        for name in names:
            try:
                state = os.lstat(os.path.join(parent, name))
            except OSError:
                continue  # it has gone meanwhile
            if (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                total += state.st_blocks * 512
    return total
