"""`imagewright image`: what is in the local store."""

import json
import os
from pathlib import Path
from typing import Any

import click

from imagewright.cli.app import App
from imagewright.cli.check_image import check
from imagewright.cli.options import build_options, insecure_option, platform_option, talk_options
from imagewright.cli.references import names_registry, reference_of
from imagewright.cli.session import store_of
from imagewright.cli.stored import Details, details, find_image, platform_of, short
from imagewright.cli.terminal import clean, many, size_text
from imagewright.errors import LockError, StoreError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.platform import Platform
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.protocol import BlobSource


@click.group()
def image() -> None:
    """List, inspect, check, export and remove images."""


image.add_command(check)


@image.command(name="list")
@talk_options
@click.pass_obj
def list_(app: App) -> None:
    """List the images of the local store."""
    store = store_of(app)
    rows: list[tuple[str, ...]] = []
    documents: list[dict[str, Any]] = []
    for stored in store.images():
        for platform, one in details(store, stored.descriptor).items():
            digest = stored.descriptor.digest
            count = len(one.manifest.layers)
            rows.append((stored.name_tag, str(platform), size_text(one.size), many(count, "layer"), short(digest)))
            documents.append(
                {
                    "name": stored.name_tag,
                    "platform": str(platform),
                    "digest": digest,
                    "size": one.size,
                    "layers": count,
                }
            )
    if not rows:
        app.console.say("There are no images in the local store yet: imagewright build FILE makes one.")
    app.console.answer(_table(rows), {"images": documents})


@image.command()
@click.argument("name")
@click.option("--remote", is_flag=True, help="Ask the registry, also when the image is in the local store.")
@insecure_option
@talk_options
@click.pass_obj
def inspect(app: App, name: str, remote: bool) -> None:
    """Show what an image is made of.

    NAME is repository:tag, a repository that has one tag, or the start of a digest; or an image of a registry, of which
    the manifest and the config are fetched alone.
    """
    title, root, source = _root_of(app, name, remote)
    found = details(source, root)
    texts = [_inspected(title, root.digest, platform, one) for platform, one in found.items()]
    app.console.answer(
        "\n\n".join(texts),
        {
            "name": title,
            "digest": root.digest,
            "platforms": {str(platform): _document(one) for platform, one in found.items()},
        },
    )


@image.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "form",
    type=click.Choice(["oci-archive", "docker-archive"]),
    default="oci-archive",
    show_default=True,
    help="What FILE is: a tar of an OCI image layout, or what `docker load` takes.",
)
@click.option("--platform", default="", help="Export this one of several platforms: linux/arm64.")
@talk_options
@click.pass_obj
def export(app: App, name: str, file: Path, form: str, platform: str) -> None:
    """Write an image to FILE, for other tools.

    skopeo and podman read oci-archive:FILE; `docker load --input FILE` takes a docker-archive.
    """
    store = store_of(app)
    stored = find_image(store, name)
    root = platform_of(store, stored.descriptor, platform, name=stored.name_tag) if platform else stored.descriptor
    write = export_docker_archive if form == "docker-archive" else export_oci_archive
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as out:
            write(store, root, out, name=stored.name_tag)
        part.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written", why=error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    size = file.stat().st_size
    app.console.say(f"Wrote {stored.name_tag} to {file}  {size_text(size)}")
    app.console.answer("", {"name": stored.name_tag, "file": str(file), "format": form, "size": size})


@image.command(name="lock")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@platform_option
@build_options
@talk_options
@click.pass_obj
def lock_(app: App, name: str, file: Path | None, platform: str | None) -> None:
    """Give back the lock that an image carries: on stdout, or written to FILE.

    NAME is an image of a registry (ghcr.io/acme/demo:v1) or of the local store. pip and uv can install the packages of
    the lock; as imagewright.lock/NAME-OS-ARCHITECTURE.pylock.toml beside the code it makes the same image again.
    """
    from imagewright.build.ingredients import ingredients_in  # what only lists images does without locks
    from imagewright.build.lock_file import lock_text
    from imagewright.cli.compared import open_image, wanted_platform
    from imagewright.cli.session import session_of

    found = ingredients_in(open_image(name, wanted_platform(platform), session_of(app)).annotations, name=name)
    if found is None:
        raise LockError(
            f"the image {name} carries no lock",
            code="IW209",
            why="images that imagewright builds carry one; tools that write a new manifest leave it out",
        )
    text = lock_text(found.lock, found.content)
    if file is None:
        app.console.answer(text.rstrip(), {"name": name, "lock": text})
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise StoreError(f"{file} is there already", fix=f"remove it, or name another file than {file}") from error
    except OSError as error:
        raise StoreError(f"{file} cannot be written", why=error.strerror or str(error)) from error
    app.console.say(f"Wrote the lock of {name} to {file}")
    app.console.answer("", {"name": name, "file": str(file)})


@image.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@talk_options
@click.pass_obj
def rm(app: App, names: tuple[str, ...]) -> None:
    """Remove images from the local store.

    Their layers stay until `imagewright cache prune`.
    """
    store = store_of(app)
    found = [find_image(store, name) for name in names]
    for stored in found:
        store.untag(stored.name_tag)
        app.console.say(f"Removed {stored.name_tag}")
    app.console.answer("", {"removed": [stored.name_tag for stored in found]})


def _root_of(app: App, name: str, remote: bool) -> tuple[str, Descriptor, BlobSource]:
    """What an image is called, its manifest or index, and where its blobs are: here first, unless ``remote``."""
    store = store_of(app)
    if not remote:
        try:
            stored = find_image(store, name)
            return stored.name_tag, stored.descriptor, store
        except StoreError:
            if not names_registry(name):
                raise
    from imagewright.cli.session import session_of
    from imagewright.cli.transfer import found_at_registry  # images of the local store need no registry

    reference = reference_of(name)
    source, root = found_at_registry(reference, session_of(app))
    return str(reference), root, source


def _inspected(name: str, digest: str, platform: Platform, one: Details) -> str:
    config = one.config
    facts = {
        "digest": digest,
        "platform": str(platform),
        "size": f"{size_text(one.size)} in {many(len(one.manifest.layers), 'layer')}",
        "user": config.user,
        "workdir": config.workdir,
        "entrypoint": " ".join(config.entrypoint),
        "command": " ".join(config.command),
    }
    lines = [name, *(f"  {label:<13}{clean(value)}" for label, value in facts.items() if value)]
    lines += _several("env", [f"{key}={value}" for key, value in config.env.items()])
    lines += _several("labels", [f"{key}={value}" for key, value in config.labels.items()])
    others = {key: value for key, value in one.manifest.annotations.items() if config.labels.get(key) != value}
    if lock := others.pop("dev.imagewright.lock", ""):
        others["dev.imagewright.lock"] = f"({size_text(len(lock))}: imagewright image lock {name})"
    lines += _several("annotations", [f"{key}={value}" for key, value in others.items()])
    layers = zip(one.manifest.layers, one.titles, strict=True)
    rows = [f"{n:>2}  {short(i.digest)}  {size_text(i.size):>9}  {title}" for n, (i, title) in enumerate(layers, 1)]
    return "\n".join(lines + _several("layers", rows))


def _several(label: str, values: list[str]) -> list[str]:
    one_line = (clean(value).replace("\n", "\\n") for value in values)
    return [f"  {label if not at else '':<13}{value}" for at, value in enumerate(one_line)]


def _document(one: Details) -> dict[str, Any]:
    layers = zip(one.manifest.layers, one.titles, strict=True)
    return {
        "manifest": json.loads(one.manifest.to_bytes()),
        "config": one.document,
        "layers": [{"digest": i.digest, "size": i.size, "title": title} for i, title in layers],
    }


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
