"""`imagewright explain IWnnn`: what an error code means and what helps."""

from difflib import get_close_matches

import click

from imagewright.cli.app import App
from imagewright.cli.explanations import EXPLANATIONS, as_text
from imagewright.cli.options import talk_options
from imagewright.errors import UsageError


@click.command()
@click.argument("code", required=False)
@talk_options
@click.pass_obj
def explain(app: App, code: str | None) -> None:
    """Say what an error code means and what helps.

    Without a CODE it lists all of them. Needs no network.
    """
    if code is None:
        listed = "\n".join(f"{one.code}  {one.title}" for one in EXPLANATIONS.values())
        app.console.answer(listed, {one.code: one.title for one in EXPLANATIONS.values()})
        return
    name = code.upper()
    name = name if name.startswith("IW") else f"IW{name}"
    if name not in EXPLANATIONS:
        near = get_close_matches(name, EXPLANATIONS, n=3, cutoff=0.7)
        raise UsageError(
            f"there is no error code {code!r}",
            fix=f"did you mean {' or '.join(near)}?" if near else "imagewright explain lists them all",
        )
    one = EXPLANATIONS[name]
    app.console.answer(
        as_text(one).rstrip(), {"code": one.code, "title": one.title, "meaning": one.meaning, "help": one.helps}
    )
