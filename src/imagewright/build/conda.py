"""``conda_packages`` -> layers: the packages, the history that makes their folder an environment, and a step for scripts."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from imagewright.build.budget import share_layers
from imagewright.build.commands import command_timeout
from imagewright.build.lock import Lock
from imagewright.build.package_options import allow_bad_record, allow_overwrite
from imagewright.build.step import Origin, Step
from imagewright.errors import SpecError
from imagewright.layer.planned import PlannedLayer
from imagewright.oci.config import DEFAULT_PATH, ImageConfig
from imagewright.oci.digest import Digest
from imagewright.packages.conda.environment_layer import CondaHistoryLayer
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.spec import ImageSpec

POST_LINK = "conda_post_link"
"""The builder option that says what becomes of the scripts that packages want to be run: "run" or "skip"."""

MOST_OWN_LAYERS = 30  # with 40 wheels of their own an image has 86 layers of packages, and stays below 100

_RUN = """\
set -e
run() {
  script="$PREFIX/bin/.$1-post-link.sh"
  if [ -f "$script" ]; then
    echo "$1 $2: ${script##*/}"
    PKG_NAME="$1" PKG_VERSION="$2" PKG_BUILDNUM="$3" sh -c 'if command -v bash >/dev/null; then exec bash "$0"; else exec sh "$0"; fi' "$script"
  fi
}
"""


def conda_layers(spec: ImageSpec, lock: Lock) -> tuple[PlannedLayer, ...]:
    """The layers of the packages of this lock, and of the environment's history."""
    environment = lock.conda
    if environment is None:
        return ()
    whole = lock.conda_environment or environment
    python = whole.minor
    groups = share_layers(environment.packages, most_own=MOST_OWN_LAYERS, last=allow_overwrite(spec))
    packages = [CondaLayer(group, environment.prefix, python, allow_bad_record(spec)) for group in groups]
    return (*packages, CondaHistoryLayer(whole))


def post_link_steps(spec: ImageSpec, lock: Lock, config: ImageConfig, below: Sequence[Digest]) -> tuple[Step, ...]:
    """The step that runs the packages' scripts, in the order of the packages; none unless the spec asks for it."""
    if lock.conda is None or post_link(spec) != "run":
        return ()
    calls = [f"run {shlex.join([one.name, one.version, _number(one)])}" for one in lock.conda.packages]
    step = Step(
        "scripts of conda packages",
        tuple(below),
        ("/bin/sh", "-c", _RUN + "\n".join(calls)),
        {**config.env, "PREFIX": lock.conda.prefix, "ROOT_PREFIX": lock.conda.prefix, "SOURCE_DATE_EPOCH": "0"},
        "/",
        network=False,
        origin=Origin("conda_packages", "a script of the conda packages", where=spec.where_of(POST_LINK)),
        timeout_seconds=command_timeout(spec),
    )
    return (step,)


def with_conda(config: ImageConfig, environment: LockedEnvironment | None) -> ImageConfig:
    """The config of an image whose commands are found in the environment first."""
    if environment is None:
        return config
    programs = f"{environment.prefix}/bin"
    path = config.env.get("PATH") or DEFAULT_PATH
    if programs not in path.split(":"):
        path = f"{programs}:{path}"
    return replace(config, env={**config.env, "PATH": path, "CONDA_PREFIX": environment.prefix})


def post_link(spec: ImageSpec) -> str:
    """What becomes of the scripts of conda packages: "run", "skip", or "" where nobody has said.

    Raises:
        SpecError: It is something else.
    """
    said = spec.builder_options.get(POST_LINK, "")
    if said not in ("", "run", "skip"):
        raise SpecError(
            f'builder_options["{POST_LINK}"] is "run" or "skip", not {said!r}',
            where=spec.where_of(POST_LINK),
        )
    return str(said)


def check_conda_fields(spec: ImageSpec) -> None:
    """See that the fields and options of conda packages can work together.

    Raises:
        SpecError: They cannot.
    """
    post_link(spec)
    if spec.python_exec and spec.conda_packages:
        raise SpecError(
            f"python_exec={spec.python_exec!r} cannot be chosen together with conda_packages",
            why="they may bring a Python of their own",
            fix="leave python_exec out",
            where=spec.where_of("python_exec"),
        )
    if spec.conda_channels and not spec.conda_packages:
        raise SpecError(
            f"conda_channels={list(spec.conda_channels)} without conda_packages would install nothing",
            fix='add conda_packages=["..."], or leave conda_channels out',
            where=spec.where_of("conda_channels"),
        )


def _number(package: LockedConda) -> str:
    """The build number, which ends the build string by custom."""
    number = package.build.rpartition("_")[2]
    return number if number.isdigit() else "0"
