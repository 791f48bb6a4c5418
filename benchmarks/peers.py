"""The other side: the Dockerfile that flytekit's default builder writes, on the newest dockerd that Debian has, or another suite's.

What differs from what flytekit would do, each in the peer's favour or needed without the internet's registries:
- the ``#syntax=`` line is left out: BuildKit's own frontend reads it, where flytekit's would be pulled from a registry;
- the two helper images (uv, micromamba's CA certificates) are one local image with this environment's uv;
- ``python_exec`` names the base's Python, so that no interpreter is installed by micromamba;
- flytekit itself is left out of the requirements, so that both sides install the same packages;
- a comment in the requirements makes the step run again in each round, its caches as warm as before;
- only ``docker build --push`` is timed, not flytekit's own start (about a second).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workloads import PYTHON, SOURCE_FOLDER, Workload

from imagewright.errors import ImagewrightError
from imagewright.packages.deb.mirror import apt_sources, mirrors_of
from imagewright.testing.debian import path_with, programs
from imagewright.testing.engines import Engine, dockerd, output_of

FLYTEKIT = "flytekit==1.16.31"
CODENAME = "bookworm"  # of the base
PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "containerd", "runc")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HELPER = "imagewright-bench/helper:1"
WHEELS = "imagewright-bench/wheels:1"
BASE = "imagewright-bench/base:1"

_WRITE_CONTEXT = """
import json, pathlib, sys
from flytekit import ImageSpec
from flytekit.image_spec.default_builder import create_docker_context
create_docker_context(ImageSpec(**json.loads(sys.argv[1])), pathlib.Path(sys.argv[2]))
"""
_EXIST = """
import json, sys
from flytekit import ImageSpec
print(ImageSpec(**json.loads(sys.argv[1])).exist())
"""


def docker_programs(folder: Path, suite: str) -> Path | None:
    """The folder of the dockerd of a suite of Debian, or None when it cannot be had or run here."""
    try:
        root = programs(PACKAGES, folder, suite=suite)
        runc = root / "usr/sbin/runc"
        if (
            runc.exists()
            and subprocess.run([runc, "--version"], capture_output=True, timeout=60, check=False).returncode
        ):
            runc.unlink()  # it wants a newer C library than this machine has: the installed one does as well
        output_of(str(root / "usr/sbin/dockerd"), "--version")
    except (ImagewrightError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"note: the dockerd of {suite} cannot be had, the installed one is used: {error}", file=sys.stderr)
        return None
    return root


@dataclass(frozen=True, slots=True)
class Peer:
    """flytekit's Dockerfile on a dockerd of our own."""

    folder: Path
    docker: Engine
    registry: str
    wheels: bool

    @property
    def daemon(self) -> int:
        """The process id of dockerd; all that it starts is below it."""
        host = self.docker.command[1].removeprefix("--host=unix://")
        return int(Path(host).with_name("pid").read_text())

    @property
    def caches(self) -> tuple[Path, ...]:
        """All that the daemon keeps: its images, its layers, and what its builds have in cache mounts."""
        return (Path(self.docker.command[1].removeprefix("--host=unix://")).with_name("data"),)

    def version(self) -> str:
        """What is measured."""
        return f"{FLYTEKIT} on dockerd {self.docker.call('version', '--format', '{{.Server.Version}}').strip()}"

    def prepare(self, workload: Workload, source: Path, *, bytecode: bool = True) -> list[str]:
        """Write the build's folder, and return the command that builds and pushes."""
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        reference = f"{self.registry}/peer/bench:{uuid.uuid4().hex}"
        build = [
            *self.docker.command, "build", "--network=host", "--platform=linux/amd64",
            "--tag", reference, "--push", str(context),
        ]  # fmt: skip
        if workload.debian:
            write_apt_dockerfile(context, workload)
            return build
        fields = {**workload.fields(), **self._fields()}
        if workload.local_wheels and self.wheels:
            fields["pip_extra_args"] = "--find-links /wheels"
        self._flytekit(_WRITE_CONTEXT, json.dumps(fields), str(context), cwd=source)
        dockerfile, requirements = context / "Dockerfile", context / "requirements_uv.txt"
        text = dockerfile.read_text().removeprefix("#syntax=docker/dockerfile:1.5\n")
        mount = "--mount=type=bind,target=requirements_uv.txt,src=requirements_uv.txt"
        if workload.local_wheels and self.wheels:
            text = text.replace(mount, f"{mount} --mount=from={WHEELS},source=/,target=/wheels")
        if not bytecode:
            text = text.replace("UV_COMPILE_BYTECODE=1", "UV_COMPILE_BYTECODE=0")
        dockerfile.write_text(text)
        kept = [line for line in requirements.read_text().splitlines() if not line.startswith("flytekit==")]
        # One source file is what W3 changes: there the packages stay, and Docker's cache has them.
        again = "" if workload.copies_source else f"# {uuid.uuid4()}"
        requirements.write_text("\n".join([*kept, again]) + "\n")
        return build

    def exist_command(self, workload: Workload) -> list[str]:
        """The command that asks, as flytekit does before each run, whether the image is there."""
        return [str(self._python), "-c", _EXIST, json.dumps({**workload.fields(), **self._fields()})]

    def forget_builds(self) -> None:
        """Throw away all that builds have cached; the base image stays."""
        self.docker.call("builder", "prune", "--all", "--force")
        self.forget_images()

    def forget_images(self) -> None:
        """Throw away images that no later round needs; the caches of the build stay."""
        self.docker.call("image", "prune", "--force")

    def _fields(self) -> dict[str, object]:
        return {
            "name": "bench",
            "registry": f"{self.registry}/peer",
            "builder": "default",
            "base_image": BASE,
            "python_exec": f"/usr/bin/python{PYTHON}",
            "builder_config": {"uv_image": HELPER, "micromamba_image": HELPER},
        }

    @property
    def _python(self) -> Path:
        return self.folder / "venv/bin/python"

    def _flytekit(self, *arguments: str, cwd: Path) -> None:
        done = subprocess.run(
            [str(self._python), "-c", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])


@contextmanager
def peer(folder: Path, registry: str, base: Path, wheels: Path | None, suite: str) -> Iterator[Peer]:
    """The peer, while the body runs: flytekit in an environment of its own, a suite's dockerd with the base image loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "venv/ready").exists():
        output_of(sys.executable, "-m", "venv", "--clear", str(folder / "venv"), timeout_seconds=300)
        output_of(str(folder / "venv/bin/pip"), "install", "--quiet", FLYTEKIT, timeout_seconds=900)
        (folder / "venv/ready").touch()
    root = docker_programs(folder / "debian", suite)
    if root is not None:
        config = folder / "docker-config"
        config.mkdir(exist_ok=True)
        plugins = root / "usr/libexec/docker/cli-plugins"
        (config / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}))
        os.environ["PATH"] = path_with(root)
        os.environ["DOCKER_CONFIG"] = str(config)
    with dockerd() as docker:
        _helper_image(docker, folder / "helper")
        if wheels is not None:
            _wheels_image(docker, folder / "wheels", wheels)
        loaded = docker.call("load", "--input", str(base)).strip().rpartition(" ")[2]
        docker.call("tag", loaded, BASE)
        yield Peer(folder, docker, registry, wheels is not None)


def _helper_image(docker: Engine, folder: Path) -> None:
    from uv import find_uv_bin

    folder.mkdir(exist_ok=True)
    shutil.copy2(find_uv_bin(), folder / "uv")
    shutil.copy2("/etc/ssl/certs/ca-certificates.crt", folder / "ca-certificates.crt")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY uv /uv\nCOPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n"
    )
    docker.call("build", "--quiet", "--tag", HELPER, str(folder))


def _wheels_image(docker: Engine, folder: Path, wheels: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(wheels, folder, ignore=lambda place, names: [name for name in names if not name.endswith(".whl")])
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY *.whl /\n")
    docker.call("build", "--quiet", "--tag", WHEELS, str(folder))


def write_source(folder: Path, version: str) -> None:
    """The source folder of W3, with ``version`` in one of its files."""
    from workloads import SOURCE_FILES, source_file

    source = folder / SOURCE_FOLDER
    source.mkdir(parents=True, exist_ok=True)
    for number in range(SOURCE_FILES):
        (source / f"step_{number}.py").write_text(source_file(number, version if number == 7 else "1"))


APT_DOCKERFILE = """\
FROM {base}
USER root
RUN --mount=type=bind,source=etc,target=/etc/apt/sources.list.d \\
    --mount=type=cache,target=/var/cache/apt,sharing=locked \\
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \\
    : {round} && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages}
"""


def write_apt_dockerfile(context: Path, workload: Workload, base: str = BASE) -> None:
    """W4 as people write it who want it fast: what apt downloads is in cache mounts. The base names no archive itself."""
    mirrors = mirrors_of(apt_sources(Path("/etc/apt")))
    lists = context / "etc"
    lists.mkdir(parents=True)
    shutil.copyfile(KEYRING, lists / "debian.gpg")
    signed = "[signed-by=/etc/apt/sources.list.d/debian.gpg]"
    lines = [f"deb {signed} {mirrors.debian} {suite} main" for suite in (CODENAME, f"{CODENAME}-updates")]
    lines.append(f"deb {signed} {mirrors.security} {CODENAME}-security main")
    (lists / "debian.list").write_text("\n".join([*lines, ""]))
    text = APT_DOCKERFILE.format(base=base, round=uuid.uuid4(), packages=" ".join(workload.debian))
    (context / "Dockerfile").write_text(text)


def for_buildah(dockerfile: str, again: str) -> str:
    """flytekit's Dockerfile as buildah 1.28 takes it. ``again`` makes the step of the packages run in each round.

    Images have a host in their names, a mount says its type and an absolute path, and a step has a command.
    """
    text = dockerfile.replace("FROM imagewright-bench/", "FROM localhost/imagewright-bench/")
    text = text.replace(f"--mount=from={WHEELS},source=/,target=/wheels", "")  # a volume of the command's
    text = text.replace("--mount=from=", "--mount=type=bind,from=")
    text = text.replace("target=requirements_uv.txt", "target=/root/requirements_uv.txt")
    text = re.sub(r"^(RUN(?: +--mount=\S+)+) *$", r"\1 true", text, flags=re.MULTILINE)
    return text.replace("uv venv ", f"{again}uv venv ")


@dataclass(frozen=True, slots=True)
class Buildah:
    """Debian's buildah, with its storage in a folder. It has no daemon; building and pushing are two commands."""

    folder: Path
    registry: str
    wheels: Path | None

    def load(self, base: Path, helper: Path) -> None:
        """Have the base image, and the one of ``helper``, a folder with a Dockerfile; nothing of earlier runs."""
        self.close()  # of a run that was stopped
        name = output_of(*self._command, "pull", "--quiet", f"docker-archive:{base}", timeout_seconds=300).split()[-1]
        output_of(*self._command, "tag", name, BASE)
        output_of(*self._command, "build", "--quiet", "--tag", HELPER, str(helper))

    def version(self) -> str:
        """What is measured."""
        return "buildah " + output_of("buildah", "--version").split()[2]

    def prepare(self, workload: Workload, peer: Peer, source: Path, name: str) -> list[str]:
        """Write the build's folder, and return the command that builds an image, called ``name`` here, and pushes it."""
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        tag = uuid.uuid4().hex
        if workload.debian:
            context.mkdir(parents=True)
            write_apt_dockerfile(context, workload, f"localhost/{BASE}")
        else:
            peer.prepare(workload, source)
            shutil.copytree(peer.folder / "context", context)
            again = "" if workload.copies_source else f": {tag} && "
            dockerfile = context / "Dockerfile"
            dockerfile.write_text(for_buildah(dockerfile.read_text(), again))
        line = " ".join(self._command)
        wheels = f"--volume={self.wheels}:/wheels:ro" if workload.local_wheels and self.wheels else ""
        build = f"{line} build --layers --quiet --network=host --isolation=chroot {wheels} --tag={name} {context}"
        return [
            "/bin/sh",
            "-ec",
            f"export TMPDIR={self._scratch}; {build}; {line} push --quiet --tls-verify=false {name} docker://{self.registry}/buildah/bench:{tag}",
        ]

    @property
    def caches(self) -> tuple[Path, ...]:
        """Its storage, and its cache mounts."""
        return (self.folder,)

    @property
    def _scratch(self) -> Path:
        """Where its cache mounts are: beside its storage."""
        scratch = self.folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch

    def close(self) -> None:
        """Throw its storage away. It leaves file systems mounted there, which nobody could remove."""
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in sorted((place for place in mounted if place.startswith(f"{self.folder}/")), reverse=True):
            output_of("umount", place)
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self, name: str) -> None:
        """Throw an image away, with the steps that no other one has."""
        output_of(*self._command, "rmi", "--force", name)

    @property
    def _command(self) -> tuple[str, ...]:
        return ("buildah", f"--root={self.folder}/root", f"--runroot={self.folder}/run", "--storage-driver=overlay")
