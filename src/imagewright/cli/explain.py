"""`imagewright explain`: what an error code means; what differs between two images."""

from difflib import get_close_matches

import click

from imagewright.cli.app import App
from imagewright.cli.explanation import as_text
from imagewright.cli.explanations import EXPLANATIONS
from imagewright.cli.options import build_options, platform_option, talk_options
from imagewright.errors import UsageError


@click.command()
@click.argument("code", metavar="[CODE | A B]", required=False)
@click.argument("other", metavar="", required=False)
@platform_option
@build_options
@talk_options
@click.pass_obj
def explain(app: App, code: str | None, other: str | None, platform: str | None) -> None:
    """Say what an error code means, or what differs between two images.

    Without a CODE it lists all of them. Needs no network.

    A and B are images of a registry or of the local store, lock files, or Python files, which stand for what would be
    built of them now (app.py:NAME where there are several). What was asked for comes first, then what it led to. Many
    changes are counted; -v shows all.
    """
    if code is not None and other is not None:
        _compare(app, code, other, platform)
    elif code is not None:
        _explain(app, code)
    else:
        listed = "\n".join(f"{one.code}  {one.title}" for one in EXPLANATIONS.values())
        app.console.answer(listed, {one.code: one.title for one in EXPLANATIONS.values()})


def _explain(app: App, code: str) -> None:
    name = code.upper()
    name = name if name.startswith("IW") else f"IW{name}"
    if name not in EXPLANATIONS:
        near = get_close_matches(name, EXPLANATIONS, n=3, cutoff=0.7)
        looks_like_one = code.isdigit() or code.upper().startswith("IW")
        sides = f"IMAGE {code}" if code.endswith((".py", ".toml")) else f"{code} app.py"
        raise UsageError(
            f"there is no error code {code!r}",
            fix=f"did you mean {' or '.join(near)}?"
            if near
            else "imagewright explain lists them all"
            if looks_like_one
            else f"to say what differs between an image and what would be built: imagewright explain {sides}",
        )
    one = EXPLANATIONS[name]
    app.console.answer(
        as_text(one).rstrip(), {"code": one.code, "title": one.title, "meaning": one.meaning, "help": one.helps}
    )


def _compare(app: App, first: str, second: str, platform: str | None) -> None:
    from imagewright.cli.changes_text import WIDTH, changes_text  # the resolver: what explains a code does without it
    from imagewright.cli.compared import as_json, compare, open_sides, titled, wanted_platform
    from imagewright.cli.session import session_of
    from imagewright.cli.terminal import size_text

    before, after = open_sides((first, second), wanted_platform(platform), session_of(app))
    found = compare(before, after)
    whole = bool(app.flags.get("verbose"))
    lines = changes_text(found.changes, app.console.terminal.screen - 2, whole=whole)
    same = before.image and after.image and before.image.descriptor == after.image.descriptor
    if not found.changes:
        lines.append("the same image" if same else "made of the same")
    if found.layers:
        layers = f"{found.layers.shared} of {found.layers.after} shared, {size_text(found.layers.new_size)} is new"
        lines.append(f"{'layers':<{WIDTH}}{layers}")
    heading = f"{titled(before)} -> {titled(after)}"
    app.console.answer("\n".join([heading, *(f"  {line}" for line in lines)]), as_json(before, after, found))
