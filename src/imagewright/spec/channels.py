"""Conda channels that are folders of this machine: which ones they are, and what their content is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagewright.oci.digest import canonical_json, digest_of
from imagewright.spec.files import digest_of_file
from imagewright.spec.refused import Refused

REPODATA = "repodata.json"

_SECRET = re.compile(r"(?P<scheme>https?://)(?:[^/@\s]*@)?(?P<host>[^/\s]+)(?:/t/[^/\s]+(?=/))?", re.IGNORECASE)


def local_channel(channel: str) -> str | None:
    """The path of a channel that is a folder: it starts with ``/``, ``./``, ``../`` or ``file:``. None for all others."""
    channel = channel.strip()
    if channel.startswith("file:"):
        return unquote(urlsplit(channel).path)
    return channel if channel.startswith(("/", "./", "../")) or channel in (".", "..") else None


def without_token(channel: str) -> str:
    """A channel's URL without its login: neither ``user:password@``, nor the token of ``https://host/t/TOKEN/channel``."""
    return _SECRET.sub(lambda match: match["scheme"] + match["host"], channel)


def spelled_channels(channels: Iterable[str], directory: Path) -> list[str]:
    """The channels as plain values to be hashed: a folder by what it offers, wherever it is.

    The indexes of a channel name each package by its digest, so they stand for all of it.

    Raises:
        Refused: A folder is no channel.
    """
    return [_spelled(channel, directory) for channel in channels]


def _spelled(channel: str, directory: Path) -> str:
    path = local_channel(channel)
    if path is None:
        return without_token(channel.strip())
    folder = directory / path
    indexes = sorted(folder.glob(f"*/{REPODATA}")) if folder.is_dir() else []
    if not indexes:
        raise Refused(
            "conda_channels",
            channel,
            "is no conda channel: no folder of it has an index",
            fix=f"make the indexes: rattler-index fs {folder}" if folder.is_dir() else f"there is no folder {folder}",
            part=channel,
        )
    found = [[index.parent.name, *digest_of_file(str(index))] for index in indexes]
    return f"folder:{digest_of(canonical_json(found))}"
