"""`imagewright config`: show the settings and where they come from, change them, say which file they are in."""

from pathlib import Path
from typing import Any

import click

from imagewright.cli.app import App
from imagewright.cli.options import talk_options
from imagewright.cli.settings import BY_NAME, SETTINGS, Setting, project_file, read_file, unknown_setting
from imagewright.cli.terminal import columns
from imagewright.errors import StoreError, UsageError, redacted


@click.group()
def config() -> None:
    """Show and change the settings.

    A flag counts before IMAGEWRIGHT_*, this before the project's file (imagewright.toml, or [tool.imagewright] in the nearest
    pyproject.toml), this before the user's file, this before the default.
    """


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@talk_options
@click.pass_obj
def show(app: App, origin: bool) -> None:
    """Show every setting. Passwords in addresses are left out."""
    found = app.found
    values = {setting.name: _shown(getattr(found.settings, setting.name)) for setting in SETTINGS}
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    if origin:
        width = max(len(line) for line in lines) + 3
        lines = [f"{line:<{width}}# {found.origins[name]}" for line, name in zip(lines, values, strict=True)]
    document: Any = values
    if origin:
        document = {name: {"value": value, "origin": found.origins[name]} for name, value in values.items()}
    app.console.answer("\n".join(lines), document)


def _shown(value: Any) -> Any:
    plain = _plain(value)
    return redacted(plain) if isinstance(plain, str) else plain


@config.command(name="set")
@click.argument("name")
@click.argument("value")
@click.option("--project", is_flag=True, help="In ./imagewright.toml, in place of the user's own file.")
@talk_options
@click.pass_obj
def set_(app: App, name: str, value: str, project: bool) -> None:
    """Set NAME to VALUE in the user's config file.

    A list is written with commas.
    """
    import tomli_w

    setting = BY_NAME.get(name.replace("-", "_"))
    if setting is None:
        raise unknown_setting(name)
    path = app.directory / "imagewright.toml" if project else app.sources.user_file
    values = {**read_file(path).values, setting.name: _plain(_read(setting, value))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(values), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the config file {path} cannot be written", why=str(error)) from error
    app.console.say(f"Set {setting.name} = {_toml(values[setting.name])} in {path}")
    app.console.answer("", {"path": str(path), setting.name: values[setting.name]})


@config.command()
@talk_options
@click.pass_obj
def path(app: App) -> None:
    """Print the path of the user's config file."""
    project = project_file(app.directory)
    if project is not None:
        app.console.say(columns(f"project's: {project}", "counts first", app.console.terminal.width))
    user = app.sources.user_file
    app.console.answer(str(user), {"user": str(user), "project": None if project is None else str(project)})


def _read(setting: Setting, value: str) -> Any:
    try:
        return setting.read(value)
    except ValueError as error:
        raise UsageError(f"{setting.name} cannot be {value!r}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _toml(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps({"value": value}).partition("=")[2].strip()
