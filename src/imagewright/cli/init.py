"""`imagewright init NAME`: a project that runs."""

from pathlib import Path

import click

from imagewright.cli.app import App
from imagewright.cli.options import talk_options
from imagewright.cli.project import project_files
from imagewright.errors import StoreError, UsageError


@click.command()
@click.argument("name")
@talk_options
@click.pass_obj
def init(app: App, name: str) -> None:
    """Write a project with an image, a task and a test.

    NAME is the folder that it makes, and the name of its image.
    """
    folder = app.directory / name
    _check_free(folder)
    files = project_files(folder.resolve().name)
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the project cannot be written to {folder}", why=str(error)) from error
    shown = "  ".join(
        f'{path} ([tool.imagewright] registry = "local")' if path == "pyproject.toml" else path for path in files
    )
    app.console.say(f"Created {name.rstrip('/')}/  {shown}")
    app.console.say(f"Next: cd {name} && imagewright run app.py main --n 5")
    app.console.answer("", {"folder": str(folder), "files": list(files)})


def _check_free(folder: Path) -> None:
    """Refuse a folder that has something in it: nothing of the user's is ever written over."""
    if folder.is_dir():
        if next(folder.iterdir(), None) is not None:
            raise UsageError(f"the folder {folder} is not empty", fix="name one that does not exist yet")
    elif folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is a file", fix="name a folder that does not exist yet")
