"""``commands`` -> steps: each in a shell of its own, as root, in order, above everything else in the image."""

from collections.abc import Iterable

from imagewright.build.secrets import named_secrets
from imagewright.build.step import Origin, Step
from imagewright.errors import SpecError
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import Digest
from imagewright.spec import ImageSpec

TIMEOUT_SECONDS = 3600.0
"""How long a command may run unless ``builder_options={"command_timeout": seconds}`` says otherwise."""

EPOCH = "315532800"
"""SOURCE_DATE_EPOCH of a command: 1980-01-01, the first day that a zip can hold. Python then compiles to files that hold
the source's digest and not its time, which a layer does not keep."""

IGNORED = (
    "var/cache/apt/archives/",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/srcpkgcache.bin",
    "var/cache/ldconfig/aux-cache",
    "var/log/alternatives.log",
    "var/log/apt/",
    "var/log/dpkg.log",
)
"""What apt and dpkg leave for nobody: no later command needs it, and it has times in it."""

_SHOWN = 60


def command_steps(spec: ImageSpec, config: ImageConfig, below: Iterable[Digest]) -> tuple[Step, ...]:
    """The steps of a spec's commands above layers with these keys; each lies on the ones before it."""
    keys = list(below)
    steps: list[Step] = []
    for number, command in enumerate(spec.commands, 1):
        step = Step(
            f"run {_shown(command)}",
            tuple(keys),
            ("/bin/sh", "-c", command),
            {"SOURCE_DATE_EPOCH": EPOCH, **config.env},
            config.workdir or "/",
            command_network(spec),
            Origin("commands", command, number, len(spec.commands), spec.where_of(command.partition("\n")[0])),
            ignored=IGNORED,
            secrets=named_secrets(command, spec),
            timeout_seconds=command_timeout(spec),
        )
        keys.append(step.key)
        steps.append(step)
    return tuple(steps)


def command_network(spec: ImageSpec) -> bool:
    """Whether commands reach the network: yes, unless ``builder_options={"command_network": False}``."""
    return bool(spec.builder_options.get("command_network", True))


def command_timeout(spec: ImageSpec) -> float:
    """How many seconds a command may run."""
    return float(spec.builder_options.get("command_timeout", TIMEOUT_SECONDS))


def check_command_options(spec: ImageSpec) -> None:
    """See that the options of commands have values that can work.

    Raises:
        SpecError: One has not.
    """
    network = spec.builder_options.get("command_network", True)
    if not isinstance(network, bool):
        raise SpecError(
            f'builder_options["command_network"] is True or False, not {network!r}',
            where=spec.where_of("command_network"),
        )
    seconds = spec.builder_options.get("command_timeout", TIMEOUT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise SpecError(
            f'builder_options["command_timeout"] is a number of seconds above 0, not {seconds!r}',
            where=spec.where_of("command_timeout"),
        )


def _shown(command: str) -> str:
    text = " ".join(command.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
