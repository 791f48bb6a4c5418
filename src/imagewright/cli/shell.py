"""`imagewright shell IMAGE`: a look around in an image, or in the layers that a failed build has left."""

from contextlib import suppress
from dataclasses import replace

import click

from imagewright.cli.app import App
from imagewright.cli.options import build_options, talk_options
from imagewright.cli.session import session_of, store_of
from imagewright.cli.stored import details, find_image
from imagewright.errors import StoreError, UsageError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.reference import Reference
from imagewright.store.layout import Layout

RUN = "imagewright: run "
"""How the history of a layer begins that a command of ours has made."""


class _ImageFirst(click.Command):
    """Options stand before the image or after it; what follows the first word of the command is the command's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self._options(args)
        image, rest = args[at : at + 1], args[at + 1 :]
        more = self._options(rest)
        command = rest[more:][1:] if rest[more : more + 1] == ["--"] else rest[more:]
        return super().parse_args(ctx, [*args[:at], *rest[:more], *(["--"] if image else []), *image, *command])

    def _options(self, args: list[str]) -> int:
        """How many of the first words are options and their values."""
        valued = {name for one in self.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts}
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] != "--":
            at += 2 if args[at] in valued else 1
        return min(at, len(args))


@click.command(cls=_ImageFirst, context_settings={"allow_interspersed_args": False})
@click.option(
    "--at", type=click.IntRange(min=1), metavar="N", help="With the lowest N layers only: `image inspect` counts them."
)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="N",
    help="As it was after the Nth of its commands; 0 is before the first.",
)
@click.option("--user", metavar="USER", help="Be this user of the image, in place of root.")
@click.option("--no-network", is_flag=True, help="Without a network.")
@build_options
@talk_options
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def shell(
    app: App,
    at: int | None,
    after: int | None,
    user: str | None,
    no_network: bool,
    image: str,
    command: tuple[str, ...],
) -> int:
    """Start a shell in an image, or in the layers below one of its steps.

    IMAGE is of the local store (NAME:failed is what a failed build of NAME has left), or of a registry: host/repository:tag.
    With COMMAND, that is run in place of a shell, and its exit code is this program's.
    What is written there is gone at the end.
    """
    from imagewright.runners.images import stored_image
    from imagewright.runners.shell import open_shell

    if at is not None and after is not None:
        raise UsageError("--at and --after cannot be given together", fix="--at counts layers, --after commands")
    manifest = _manifest(app, image)
    found = stored_image(manifest, store_of(app))
    count = _count(store_of(app), manifest, image, at, after)
    app.console.close()
    return open_shell(
        replace(found, layers=found.layers[:count]),
        command,
        cache=app.settings.cache_dir,
        user=user or "",
        network=not no_network,
    )


def _manifest(app: App, name: str) -> Descriptor:
    """The image in the local store; one of a registry is brought there."""
    store = store_of(app)
    try:
        return find_image(store, name).descriptor
    except StoreError:
        with suppress(ValueError):
            reference = Reference.parse(name)
            if name.startswith(f"{reference.registry}/"):
                from imagewright.runners.images import bring_here

                pinned = bring_here([reference], session_of(app))[reference]
                return next(one.descriptor for one in store.images() if one.descriptor.digest == pinned.digest)
        raise


def _count(store: Layout, manifest: Descriptor, name: str, at: int | None, after: int | None) -> int:
    """How many of the layers are wanted."""
    titles = next(iter(details(store, manifest).values())).titles
    if at is not None and at > len(titles):
        raise UsageError(f"{name} has {len(titles)} layers, not {at}", fix=f"imagewright image inspect {name}")
    if after is None:
        return at or len(titles)
    commands = [number for number, title in enumerate(titles) if title.startswith(RUN)]
    if after > len(commands):
        raise UsageError(
            f"{name} has the layers of {len(commands)} commands, not {after}", fix=f"imagewright image inspect {name}"
        )
    if not commands:
        return len(titles)
    return commands[after] if after < len(commands) else commands[-1] + 1
