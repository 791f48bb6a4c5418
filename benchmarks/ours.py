"""Our side: the imagewright of this environment, as a user types it, with a cache of its own."""

import compileall
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from meter import copy_linked, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from workloads import PYTHON, Workload

import imagewright
from imagewright.build.download import local_path
from imagewright.packages.pypi.indexes_pip import pip_config_files, read_pip_settings

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Ours:
    """The imagewright of this environment, as a user types it, with a cache of its own."""

    folder: Path
    registry: str
    wheels: Path | None

    @property
    def cache(self) -> Path:
        """The cache that a build uses."""
        return self.folder / "cache"

    @property
    def caches(self) -> tuple[Path, ...]:
        """What is in memory where somebody works: downloads, layers, and the program."""
        program = (Path(imagewright.__path__[0]), Path(sys.prefix))
        return (self.folder / "downloads", self.folder / "kept", *((self.wheels,) if self.wheels else ()), *program)

    def environ(self) -> dict[str, str]:
        """The environment: no configuration of pip but the folder of wheels, which the other side has as well."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEWRIGHT_", "PIP_"))}
        environ |= {"IMAGEWRIGHT_CACHE_DIR": str(self.cache), "PIP_CONFIG_FILE": os.devnull}
        environ["XDG_CONFIG_HOME"] = str(self.folder / "config")
        return environ

    def environ_for(self, workload: Workload) -> dict[str, str]:
        """`environ`, with the local wheels where the workload wants them."""
        if workload.local_wheels and self.wheels is not None:
            return {**self.environ(), "PIP_FIND_LINKS": str(self.wheels)}
        return self.environ()

    def write(self, name: str, fields: Mapping[str, object]) -> Path:
        """The user's file that declares the image."""
        app = self.folder / "app" / f"{name.lower()}.py"
        app.parent.mkdir(parents=True, exist_ok=True)
        arguments = ", ".join(f"{field}={value!r}" for field, value in fields.items())
        spec = f'ImageSpec(name="bench", python_version="{PYTHON}", {arguments})'
        app.write_text(f"from imagewright import ImageSpec\n\nimage = {spec}\n")
        return app

    def command(self, file: Path, registry: str = "") -> list[str]:
        """Build and push."""
        program = Path(sys.executable).with_name("imagewright")
        return [
            str(program), "build", str(file), "--quiet", "--registry", registry or f"{self.registry}/ours",
        ]  # fmt: skip

    def share_downloads(self) -> None:
        """What was downloaded is the same in every state of the cache: wheels, Debian's index, what uv keeps."""
        self.cache.mkdir(parents=True, exist_ok=True)
        for part in ("files", "index", "uv"):
            (self.folder / "downloads" / part).mkdir(parents=True, exist_ok=True)
            if not (self.cache / part).exists():
                (self.cache / part).symlink_to(self.folder / "downloads" / part)

    def forget_proofs(self) -> None:
        """Have read no wheel before."""
        shutil.rmtree(self.cache / "files" / "proven", ignore_errors=True)

    def keep(self, name: str) -> None:
        """Remember the cache as it is."""
        copy_linked(self.cache, self.folder / "kept" / name)

    def put_back(self, name: str) -> None:
        """The cache as it was then."""
        copy_linked(self.folder / "kept" / name, self.cache)

    def wheels_of(self, file: Path, environ: Mapping[str, str]) -> list[Path]:
        """The files of the wheels of an image that was built before: what `imagewright lock` names."""
        run([*self.command(file)[:1], "lock", str(file), "--quiet"], environ=environ)
        (lock,) = (file.parent / "imagewright.lock").glob("*.toml")
        packages = tomllib.loads(lock.read_text())["packages"]
        shutil.rmtree(lock.parent)
        return [self._file(wheel) for package in packages for wheel in package["wheels"]]

    def _file(self, wheel: Mapping[str, object]) -> Path:
        if here := local_path(str(wheel.get("url", ""))):
            return here
        hashes = wheel["hashes"]
        assert isinstance(hashes, dict)
        return self.cache / "files" / "sha256" / str(hashes["sha256"])


def least(registry: str, wheels: Sequence[Path]) -> float:
    """The seconds of what has to be done for these wheels, whoever does it (floor.py)."""
    os.sync()
    command = [sys.executable, str(HERE / "floor.py"), registry, *map(str, wheels)]
    return float(run(command, environ=os.environ).output)


def local_wheels() -> Path | None:
    """The folder of wheels that pip's settings name, if there is one."""
    pip = read_pip_settings(os.environ, pip_config_files(os.environ, prefix=Path(sys.prefix)))
    return next((Path(place) for place in pip.find_links if Path(place).is_dir()), None)


def compile_ourselves() -> None:
    """Bytecode for imagewright and all that it needs, as pip makes it. A checkout, and what uv installs, has none of its own."""
    compileall.compile_dir(str(Path(imagewright.__path__[0])), quiet=2)
    waiting, found = ["imagewright"], set[str]()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra, or for another platform
        waiting += [Requirement(line).name for line in distribution.requires or []]
        for file in distribution.files or []:
            if file.suffix == ".py":
                compileall.compile_file(str(file.locate()), quiet=2)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, object]:
    """What it ran on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }
