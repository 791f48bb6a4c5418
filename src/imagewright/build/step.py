"""A layer that is what a command changes: planned as any layer, and made in the sandbox over the layers below it."""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from imagewright.build.secrets import StepSecret
from imagewright.dataclass import dataclass
from imagewright.errors import Where
from imagewright.layer import writer as layer_writer
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, digest_of

if TYPE_CHECKING:
    from imagewright.sandbox.stack import Stack

GIVEN = "/imagewright/step"
"""Where a step finds the files that it was given, read-only; ``SCRATCH`` is empty and writable, and gone at its end."""

SCRATCH = "/imagewright/scratch"

VERSION = 1
"""Goes into the key of every step. Count it up when a step is run in another way."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which field made the step, for messages: command ``number`` of ``count``, or all Debian packages together."""

    field: Literal["commands", "apt_packages", "conda_packages"]
    text: str
    number: int = 1
    count: int = 1
    where: Where | None = None


TryOut = Callable[[tuple[str, ...]], bool]
"""Whether a command, run over the layers below in a sandbox that is thrown away, ends well and changes nothing."""


class Beforehand(Protocol):
    """What is done natively before a step's command, and takes its place in part: it must leave what the command would."""

    @property
    def version(self) -> int:
        """Goes into the step's key."""
        ...

    def prepare(
        self, files: Mapping[str, Path], stack: "Stack", upper: Path, given: Path, is_harmless: "TryOut"
    ) -> tuple[str, ...] | None:
        """Write into the empty ``upper``, and texts into ``given``; what is then to be run, or None: the step's command.

        ``files`` are the step's, by name; ``is_harmless`` may be called on another thread. With None the upper folder is to be emptied.
        """
        ...


@dataclass(frozen=True)
class Step:
    """A command, and everything that decides what it leaves. ``below`` are the keys of all layers under it, in order.

    ``files`` and ``texts`` are what it finds in `GIVEN`, by name. ``ignored`` is left out of the layer, as
    `imagewright.sandbox.difference` takes it. Of ``secrets`` the names decide, and neither values nor where they are. A key is a promise of the same command on the same layers, not of the
    same bytes: a command may look at the clock or ask the network.
    """

    title: str
    below: tuple[Digest, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    network: bool
    origin: Origin = field(compare=False)
    files: tuple[tuple[str, InputFile], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    secrets: tuple[StepSecret, ...] = ()
    timeout_seconds: float | None = None
    beforehand: "Beforehand | None" = field(default=None, compare=False)

    @cached_property
    def key(self) -> Digest:
        """A digest over the layers below, the command and its surroundings, and what makes the layer of them."""
        from imagewright.sandbox import difference  # 12 ms, for an image with steps alone

        return digest_of(
            canonical_json(
                {
                    "kind": "step",
                    "version": [VERSION, difference.VERSION, layer_writer.VERSION],
                    "encoder": Fast().id,
                    "below": list(self.below),
                    "argv": list(self.argv),
                    "env": dict(self.env),
                    "workdir": self.workdir,
                    "network": self.network,
                    "files": [[name, file.digest] for name, file in self.files],
                    "texts": [list(pair) for pair in self.texts],
                    "ignored": list(self.ignored),
                    **({"secrets": [[one.name, one.variable] for one in self.secrets]} if self.secrets else {}),
                    **({"beforehand": self.beforehand.version} if self.beforehand else {}),
                }
            )
        )

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files that have to be downloaded for it."""
        return tuple(file for _, file in self.files)
