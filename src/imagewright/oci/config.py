"""The image config: what a container of the image starts with."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.digest import DiffID
from imagewright.oci.platform import Platform

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a container without a PATH gets from runc and crun."""

_MORE = ("ExposedPorts", "Volumes", "StopSignal", "Healthcheck", "Shell")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of ``docker history``. Every entry here stands for one layer."""

    created_by: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container starts with, before it has layers.

    ``env`` keeps its order in the config; ``user`` is a name or ``uid[:gid]``; paths are absolute.
    ``more`` is what else a base image's config says, in its own words: StopSignal, ExposedPorts, Volumes, Healthcheck, Shell.
    Source: OCI image-spec v1.1, config.md.
    """

    platform: Platform
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    workdir: str = ""
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(
        self, diff_ids: Sequence[DiffID], history: Sequence[HistoryEntry], *, created: str = "1970-01-01T00:00:00Z"
    ) -> dict[str, Any]:
        """The config document. ``created`` is RFC 3339; the default keeps equal images equal."""
        if len(diff_ids) != len(history):
            raise ValueError("one history entry for each layer")
        run: dict[str, Any] = {}
        if self.user:
            run["User"] = self.user
        if self.env:
            run["Env"] = [f"{name}={value}" for name, value in self.env.items()]
        if self.entrypoint:
            run["Entrypoint"] = list(self.entrypoint)
        if self.command:
            run["Cmd"] = list(self.command)
        if self.workdir:
            run["WorkingDir"] = self.workdir
        if self.labels:
            run["Labels"] = dict(sorted(self.labels.items()))
        run.update(self.more)
        document: dict[str, Any] = {
            "created": created,
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "history": [_history(entry, created) for entry in history],
        }
        if self.platform.variant:
            document["variant"] = self.platform.variant
        return document

    @classmethod
    def from_json(cls, document: Any) -> "ImageConfig":
        """Read the part of a config document that a container starts with.

        Raises:
            ValueError: It is not an image config.
        """
        if not isinstance(document, dict) or not isinstance(document.get("rootfs"), dict):
            raise ValueError("not an image config: it has no rootfs")
        run = document.get("config") or {}
        if not isinstance(run, dict):
            raise ValueError("an image config's config is an object")
        pairs = (entry.partition("=") for entry in run.get("Env") or ())
        return cls(
            Platform(
                str(document.get("os", "")), str(document.get("architecture", "")), str(document.get("variant", ""))
            ),
            {name: value for name, _, value in pairs},
            tuple(run.get("Entrypoint") or ()),
            tuple(run.get("Cmd") or ()),
            str(run.get("WorkingDir") or ""),
            str(run.get("User") or ""),
            dict(run.get("Labels") or {}),
            {name: run[name] for name in _MORE if run.get(name)},
        )


def diff_ids_of(document: Any) -> tuple[DiffID, ...]:
    """The diff_ids of a config document, lowest layer first."""
    return tuple(DiffID(text) for text in document["rootfs"]["diff_ids"])


def _history(entry: HistoryEntry, created: str) -> dict[str, str]:
    line = {"created": created, "created_by": entry.created_by}
    if entry.comment:
        line["comment"] = entry.comment
    return line
