"""`imagewright build FILE`: the images that a file names."""

from pathlib import Path

import click

from imagewright.builders.ensure import ensure_all
from imagewright.cli.app import App
from imagewright.cli.options import assume_exists_option, build_options, locked_option, talk_options
from imagewright.cli.session import session_of
from imagewright.cli.userfile import read_file, specs_in
from imagewright.oci.reference import Reference


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what is there, fetched and written, and do none of it.")
@click.option("--force", is_flag=True, help="Build even when the image is there.")
@click.option("--upgrade", is_flag=True, help="Resolve the requirements anew.")
@locked_option
@assume_exists_option
@build_options
@talk_options
@click.pass_obj
def build(app: App, file: Path, dry_run: bool, force: bool, upgrade: bool, locked: bool) -> None:
    """Build the images that a file names, where they are not there yet.

    The references of the images, by digest, are all that goes to stdout: docker run $(imagewright build app.py)
    """
    specs = specs_in(read_file(file))
    session = session_of(app, upgrade=upgrade, locked=locked, specs=specs)
    if dry_run:
        from imagewright.cli.dry_run import (  # the resolver: an image that is there needs none
            as_json,
            as_text,
            describe,
        )

        described = []
        for spec in specs:
            app.console.say(f"{spec.name}  {spec.platform}")
            described.append(describe(spec, session))
        app.console.answer("\n".join(map(as_text, described)), {"images": [as_json(dry) for dry in described]})
        return
    made = ensure_all(specs, session, force=force or upgrade)
    documents = [
        {"name": spec.name, "reference": _text(made[spec]), "tag": made[spec].tag, "digest": made[spec].digest}
        for spec in specs
    ]
    distinct = dict.fromkeys(_text(reference) for reference in made.values())
    app.console.answer("\n".join(distinct), {"images": documents})


def _text(reference: Reference) -> str:
    """By digest, unless nobody could ask for it."""
    return reference.pinned if reference.digest else str(reference)
