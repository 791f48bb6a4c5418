"""A shell, or a command, in a container of an image, or of some of its layers: for looking around."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import UsageError
from imagewright.oci.config import DEFAULT_PATH
from imagewright.runners.images import ContainerImage
from imagewright.sandbox.apart import Apart, do_apart
from imagewright.sandbox.bubblewrap import CannotStart, Command
from imagewright.sandbox.bwrap import STEP_CAPABILITIES, Bubblewrap, find_bubblewrap
from imagewright.sandbox.interactive import best_shell, run_interactive
from imagewright.sandbox.process import Stop
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.sandbox.users import UnknownUser


@dataclass(frozen=True, slots=True)
class _Job:
    """``command`` has no arguments when it is to be a shell."""

    command: Command
    cache: Path
    bubblewrap: Bubblewrap


def open_shell(image: ContainerImage, argv: Sequence[str], *, cache: Path, user: str = "", network: bool = True) -> int:
    """Run ``argv``, or a shell, with this process's streams; its exit code. What it writes is gone at its end.

    It finds what a step of a build finds: the image's environment and working directory, and the rights of root, unless
    it is to be another ``user``.

    Raises:
        UsageError: The image does not have the command, or the user.
        SandboxError: IW601, the machine does not let a sandbox be made.
    """
    config = image.config
    env = {"PATH": DEFAULT_PATH, **({"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}), **config.env}
    command = Command(
        tuple(argv), env, config.workdir or "/", user or "0", network=network, capabilities=STEP_CAPABILITIES
    )
    return do_apart(_run, _Job(command, cache, find_bubblewrap()), layers=image.layers, stop=Stop())


def _run(place: Apart, layers: Sequence[StoredLayer], job: _Job) -> int:
    rootfs = place.rootfs(job.cache)
    with rootfs.lease():
        stack = rootfs.prepare(layers, jobs=None if place.direct else 1)
        try:
            command = job.command if job.command.argv else replace(job.command, argv=best_shell(stack))
            return run_interactive(job.bubblewrap, stack, command)
        except UnknownUser as error:
            raise UsageError(
                "nobody can start it", why=str(error), fix="--user with a number, or a name it has"
            ) from error
        except (CannotStart, ValueError) as error:
            raise UsageError("there is nothing to start", why=str(error), fix="name a command that it has") from error
