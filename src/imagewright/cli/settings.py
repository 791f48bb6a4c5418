"""Settings: a flag, else IMAGEWRIGHT_*, else the project's file, else the user's file, else the default."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from imagewright.dataclass import dataclass
from imagewright.errors import UsageError, Where, redacted
from imagewright.oci.reference import Reference
from imagewright.parallel import cores

Progress = Literal["auto", "plain", "quiet"]
Output = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line, the environment and the config files say together.

    ``registry`` is "" (each image's own), "local" (no registry at all) or the one that all images go to. ``timeout`` is
    in seconds for each task, 0 for none. A ``debian_mirror`` (``http://host/debian``) or ``debian_keyring`` of "" is that of
    the machine's own apt.
    """

    cache_dir: Path
    registry: str
    builder: str
    jobs: int
    offline: bool
    timeout: int
    progress: Progress
    output: Output
    debian_mirror: str
    debian_keyring: str
    debian_snapshots: str
    insecure_registries: tuple[str, ...]
    layer_cache: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where settings are looked for: the environment, the folder that a command runs in, and the user's own file."""

    environ: Mapping[str, str]
    directory: Path
    user_file: Path


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its meaning, how its text is read, and what it is when nobody says it."""

    name: str
    meaning: str
    read: Callable[[Any], Any]
    default: Callable[[Mapping[str, str]], Any]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"IMAGEWRIGHT_{self.name.upper()}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it is a string")
    return value.strip()


def _path(value: Any) -> Path:
    text = _text(value)
    if not text:
        raise ValueError("it is the path of a folder")
    return Path(text).expanduser().absolute()


def _registry(value: Any) -> str:
    return _text(value).removeprefix("https://").removeprefix("http://").rstrip("/")


def _layer_cache(value: Any) -> str:
    text = _registry(value)
    if text in ("own", "off"):
        return text
    try:
        named = Reference.parse(text)
    except ValueError as error:
        raise ValueError(f'it is "own", "off" or registry.example.com/repository ({error})') from error
    if not named.registry or named.tag or named.digest:
        raise ValueError('it is "own", "off" or registry.example.com/repository')
    return text


def _count(minimum: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or number < minimum:
            raise ValueError(f"it is a whole number from {minimum} up")
        return number

    return read


_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


def _switch(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _YES | _NO:
        raise ValueError("it is true or false")
    return text in _YES


def _choice(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"it is one of: {', '.join(choices)}")
        return str(value)

    return read


def _list(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise ValueError("it is a list of strings")
    return tuple(item.strip() for item in items if item.strip())


def _cache_dir(environ: Mapping[str, str]) -> Path:
    return _own_folder(environ, "XDG_CACHE_HOME", ".cache", "user_cache_path")


def _own_folder(environ: Mapping[str, str], variable: str, default: str, elsewhere: str) -> Path:
    """imagewright's folder of a kind. Source: XDG Base Directory Specification 0.8; a relative path is to be ignored."""
    if os.path.isabs(said := environ.get(variable, "")):
        return Path(said) / "imagewright"
    if sys.platform == "linux":
        return Path(environ.get("HOME") or Path.home()) / default / "imagewright"
    import platformdirs  # where other systems have it; not imported where nobody asks

    return Path(getattr(platformdirs, elsewhere)("imagewright"))


SETTINGS: tuple[Setting, ...] = (
    Setting("cache_dir", "folder of the local store and of all that is remembered", _path, _cache_dir),
    Setting(
        "registry",
        'registry that every image goes to, in place of its own; "local" keeps images in the local store',
        _registry,
        lambda _: "",
    ),
    Setting("builder", "builder for every image, in place of its own", _text, lambda _: ""),
    Setting("jobs", "how many things are done at once", _count(1), lambda _: cores()),
    Setting(
        "offline",
        "use what is on this machine, and ask no index, mirror or registry elsewhere",
        _switch,
        lambda _: False,
    ),
    Setting("timeout", "seconds that a task may take; 0 is for ever", _count(0), lambda _: 0),
    Setting(
        "progress",
        "auto, plain (a line for each step, for logs) or quiet",
        _choice("auto", "plain", "quiet"),
        lambda _: "auto",
    ),
    Setting("output", "text, or json (one object on stdout)", _choice("text", "json"), lambda _: "text"),
    Setting("debian_mirror", "address of a Debian mirror, in place of the machine's own", _text, lambda _: ""),
    Setting(
        "debian_keyring", "file with the keys of the Debian archive, in place of the machine's own", _text, lambda _: ""
    ),
    Setting(
        "debian_snapshots",
        "address of a Debian snapshot archive, the folder of debian/20250520T000000Z: for apt_snapshot",
        _text,
        lambda _: "",
    ),
    Setting("insecure_registries", "registries (host:port) that are spoken to by plain http", _list, lambda _: ()),
    Setting(
        "layer_cache",
        'repository whose layers are taken and added to; "own" for the image\'s own, "off" for none',
        _layer_cache,
        lambda _: "own",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Found:
    """The settings, and for each where its value comes from."""

    settings: Settings
    origins: Mapping[str, str]


def find_settings(flags: Mapping[str, Any], sources: Sources) -> Found:
    """The settings of this run. ``flags`` holds what was given on the command line; a None in it was not given.

    Raises:
        UsageError: A file cannot be read as TOML, names a setting that does not exist, or a value cannot be.
    """
    files = [read_file(path) for path in (project_file(sources.directory), sources.user_file) if path is not None]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        values[setting.name], origins[setting.name] = _one(setting, flags, sources.environ, files)
    return Found(Settings(**values), origins)


def _one(
    setting: Setting, flags: Mapping[str, Any], environ: Mapping[str, str], files: list["ConfigFile"]
) -> tuple[Any, str]:
    if flags.get(setting.name) is not None:
        option = "--" + setting.name.replace("_", "-")
        return _read(setting, flags[setting.name], f"the option {option}", None), option
    if setting.variable in environ:
        return _read(
            setting, environ[setting.variable], f"the environment's {setting.variable}", None
        ), setting.variable
    for file in files:
        if setting.name in file.values:
            value, where = file.values[setting.name], file.where(setting.name)
            if setting.name == "cache_dir" and isinstance(value, str):
                value = str(file.path.parent / Path(value).expanduser())
            return _read(setting, value, setting.name, where), f"{file.path}:{where.line}"
    return setting.default(environ), "default"


def _read(setting: Setting, value: Any, named: str, where: Where | None) -> Any:
    try:
        return setting.read(value)
    except ValueError as error:
        raise UsageError(f"{named} cannot be {redacted(str(value))!r}: {error}", where=where) from error


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A TOML file's imagewright settings, unread: values as TOML has them."""

    path: Path
    text: str
    values: Mapping[str, Any]

    def where(self, name: str) -> Where:
        """The line that sets ``name``; the first line of the file when it cannot be found."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.partition("=")[0].strip().strip("\"'") == name:
                return Where(str(self.path), number, line.strip(), name)
        return Where(str(self.path), 1)


def read_file(path: Path) -> ConfigFile:
    """The settings in a config file; none when the file is not there.

    Raises:
        UsageError: It is not TOML, or has a setting that does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ConfigFile(path, "", {})
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the config file {path} cannot be read", why=str(error)) from error
    import tomllib  # where there is a file

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the config file {path} is not TOML", why=str(error), where=Where(str(path), 1)) from error
    table = document.get("tool", {}).get("imagewright", {}) if path.name == "pyproject.toml" else document
    file = ConfigFile(path, text, table)
    for name in table:
        if name not in BY_NAME:
            raise unknown_setting(name, file.where(name))
    return file


def unknown_setting(name: str, where: Where | None = None) -> UsageError:
    """The error for a setting that does not exist, with the nearest that does."""
    from difflib import get_close_matches  # for the wrong name alone

    near = get_close_matches(name, BY_NAME, n=1)
    return UsageError(
        f"there is no setting {name!r}",
        where=where,
        fix=f"did you mean {near[0]!r}?" if near else f"the settings are: {', '.join(BY_NAME)}",
    )


def project_file(directory: Path) -> Path | None:
    """The project's config file: the nearest imagewright.toml, or pyproject.toml with a [tool.imagewright], going up."""
    for folder in (directory, *directory.parents):
        if (folder / "imagewright.toml").is_file():
            return folder / "imagewright.toml"
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and _has_table(pyproject):
            return pyproject
    return None


def _has_table(pyproject: Path) -> bool:
    try:
        text = pyproject.read_text(encoding="utf-8")
        if "imagewright" not in text:
            return False  # the usual: nothing has to be parsed, nor the parser loaded
        import tomllib

        document = tomllib.loads(text)
    except (OSError, ValueError):
        return False  # whoever owns the file will be told by their own tools
    return "imagewright" in cast(dict[str, Any], document.get("tool", {}))


def user_file(environ: Mapping[str, str]) -> Path:
    """The user's own config file, which need not exist."""
    return _own_folder(environ, "XDG_CONFIG_HOME", ".config", "user_config_path") / "config.toml"
