"""Which channels are asked, in which order, and how each is spelled for whoever asks it."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from imagewright.dataclass import dataclass
from imagewright.packages.conda.locked import FOLDER
from imagewright.spec.channels import local_channel, without_token

DEFAULT = "conda-forge"
NO_DEFAULT = "nodefaults"
"""Conda's word for: no channel but those that are named."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels by priority: a package comes from the first one that has its name. A folder is a ``file:`` URL."""

    names: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that are folders of this machine."""
        return tuple(folder for folder in map(_folder, self.names) if folder is not None)

    def public(self, url: str) -> str:
        """The URL of a file as a lock has it: without a login, and without the place of a folder."""
        for name, folder in zip(self.names, map(_folder, self.names), strict=True):
            if folder is not None and url.startswith(f"{name}/"):
                return f"{FOLDER}:{quote(folder.name)}{url.removeprefix(name)}"
        return without_token(url)

    def path(self, url: str) -> Path | None:
        """Where a file is on this machine, whose URL in the lock is this; None of one that is elsewhere."""
        scheme, _, rest = url.partition(":")
        if scheme != FOLDER:
            return None
        channel, _, below = unquote(rest).partition("/")
        folders = [folder for folder in self.folders if folder.name == channel]
        there = (folder / below for folder in folders if (folder / below).is_file())
        return next(there, Path(channel) / below if not folders else folders[0] / below)

    def located(self, url: str) -> str:
        """The address of a locked file, with the token of its channel when that has one."""
        for name in self.names:
            public = without_token(name).rstrip("/") + "/"
            if "://" in name and url.startswith(public):
                return _without_userinfo(name).rstrip("/") + "/" + url.removeprefix(public)
        return url

    def headers(self, url: str) -> dict[str, str]:
        """The login that is written into the URL of a channel which ``url`` belongs to."""
        for name in self.names:
            parts = urlsplit(name)
            if parts.username is not None and url.startswith(_without_userinfo(name).rstrip("/") + "/"):
                login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
                return {"Authorization": f"Basic {b64encode(login).decode()}"}
        return {}


def channels_of(named: Sequence[str], directory: Path, *, below: Sequence[str] = ()) -> Channels:
    """The channels of a spec, whose relative paths start at ``directory``: its own, and conda-forge after them.

    ``below`` are those of a spec that it is based on, which come last, and say whether conda-forge is among them.
    """
    names: list[str] = []
    for channel in named:
        path = local_channel(channel)
        spelled = f"file://{quote(str((directory / path).resolve()))}" if path is not None else channel.strip()
        if spelled not in names:
            names.append(spelled)
    names += [name for name in below if name not in names]
    if NO_DEFAULT not in names and DEFAULT not in names and not below:
        names.append(DEFAULT)
    return Channels(tuple(name for name in names if name != NO_DEFAULT))


def _folder(name: str) -> Path | None:
    return Path(unquote(urlsplit(name).path)) if name.startswith("file:") else None


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme else url
