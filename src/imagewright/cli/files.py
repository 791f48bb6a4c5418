"""`imagewright files FILE`: which files go into the images that a file names, and what leaves others out."""

from pathlib import Path
from typing import Any

import click

from imagewright.build.listing import Listing, listing_of
from imagewright.build.source import CODE_FOLDER
from imagewright.cli.app import App
from imagewright.cli.options import talk_options
from imagewright.cli.terminal import clean, many, size_text
from imagewright.cli.userfile import read_file, specs_in
from imagewright.spec import ImageSpec
from imagewright.spec.files import Copied, CopiedFile, CopiedLink


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@talk_options
@click.pass_obj
def files(app: App, file: Path) -> None:
    """List the files that go into the images, and what leaves others out.

    They are what copy, source_root and source_copy_mode name. A file that is left out stands there with the rule that leaves
    it out: the ignore file, its line, and what it says. Nothing is asked and nothing is built.
    """
    listed = [(spec, listing_of(spec)) for spec in _with_bases(specs_in(read_file(file)))]
    app.console.answer(
        "\n\n".join(_as_text(spec, listing) for spec, listing in listed),
        {"images": [_as_json(spec, listing) for spec, listing in listed]},
    )


def _with_bases(specs: list[ImageSpec]) -> list[ImageSpec]:
    """The specs, each after the one that it is based on, once."""
    found: dict[ImageSpec, None] = {}
    for spec in specs:
        if isinstance(spec.base_image, ImageSpec):
            found.update(dict.fromkeys(_with_bases([spec.base_image])))
        found[spec] = None
    return list(found)


def _as_text(spec: ImageSpec, listing: Listing) -> str:
    size = sum(entry.size for entry in listing.copied if isinstance(entry, CopiedFile))
    lines = [f"{spec.name}  {many(len(listing.copied), 'file')}, {size_text(size)}"]
    lines += [f"  {_size(entry):>9}  {CODE_FOLDER}/{clean(_shown(entry))}" for entry in listing.copied]
    width = min(40, max((len(one.path) for one in listing.left_out), default=0))
    lines += ["  left out:"] if listing.left_out else []
    lines += [f"    {clean(one.path):<{width}}  {clean(one.reason)}" for one in listing.left_out]
    return "\n".join(lines)


def _size(entry: Copied) -> str:
    return size_text(entry.size) if isinstance(entry, CopiedFile) else "link"


def _shown(entry: Copied) -> str:
    if isinstance(entry, CopiedLink):
        return f"{entry.path} -> {entry.target}"
    return f"{entry.path}{'  (program)' if entry.executable else ''}"


def _as_json(spec: ImageSpec, listing: Listing) -> dict[str, Any]:
    return {
        "name": spec.name,
        "files": [
            {"path": f"{CODE_FOLDER}/{entry.path}", "target": entry.target}
            if isinstance(entry, CopiedLink)
            else {
                "path": f"{CODE_FOLDER}/{entry.path}",
                "source": entry.source,
                "digest": entry.digest,
                "size": entry.size,
                "executable": entry.executable,
            }
            for entry in listing.copied
        ],
        "left_out": [{"path": one.path, "reason": one.reason} for one in listing.left_out],
    }
