"""A conda environment of 50 packages from a local channel, beside py-rattler's own installer, in one run.

    python benchmarks/conda.py [--rounds 3] [--work FOLDER]

Packages of conda channels are made of wheels here, and Python of Debian's, so that no channel has to be reached. Both
sides solve anew in each run and have every package at hand. The peer is the installer that pixi uses, with its cache
of unpacked packages as warm as it gets; what it installs is then packed as Docker packs a step: one tar, one gzip.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from imagewright.testing.conda import CondaFile, MadePackage, make_package, write_channel

PYTHON = "3.11"
MORE = "uvicorn==0.54.0"
WHEELS = (
    "annotated-types==0.8.0",
    "anyio==4.16.0",
    "certifi==2026.10.18",
    "charset-normalizer==3.5.2",
    "click==8.5.1",
    "cloudpickle==3.1.2",
    "contourpy==1.3.3",
    "cycler==0.12.1",
    "duckdb==2.0.0",
    "fonttools==4.68.0",
    "fsspec==2026.9.0",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "httpx==0.28.1",
    "idna==3.20",
    "jinja2==3.1.6",
    "joblib==1.6.0",
    "kiwisolver==1.5.1",
    "markdown-it-py==4.3.0",
    "markupsafe==3.0.4",
    "matplotlib==3.11.2",
    "mdurl==0.1.2",
    "mpmath==1.3.0",
    "narwhals==2.29.0",
    "networkx==3.6.1",
    "numpy==2.4.6",
    "opentelemetry-api==1.45.2",
    "packaging==26.3",
    "pandas==3.1.1",
    "pillow==13.0.0",
    "pyarrow==26.0.1",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "pygments==2.21.0",
    "pyparsing==3.3.3",
    "python-dateutil==4.0.0",
    "pyyaml==6.0.3",
    "requests==2.34.2",
    "rich==15.0.0",
    "scikit-learn==1.9.1",
    "scipy==1.17.1",
    "sqlalchemy==2.1.9",
    "sympy==1.14.0",
    "threadpoolctl==3.8.0",
    "tqdm==4.70.1",
    "typing-extensions==4.16.0",
    "typing-inspection==0.4.5",
    "tzdata==2026.6",
    "urllib3==2.8.0",
)
PREFIX = "/opt/imagewright-conda"
OLD = "/build/" + "_placehold" * 20

APP = """
from imagewright import ImageSpec

image = ImageSpec("conda-bench", python_version="{python}", conda_packages={packages}, conda_channels=["./channel", "nodefaults"])
"""

PEER = """
import asyncio, os, sys
import rattler
channel, prefix, cache, *specs = sys.argv[1:]

async def main():
    virtual = [rattler.GenericVirtualPackage(rattler.PackageName("__glibc"), rattler.Version("2.36"), rattler.BuildString("0"))]
    platforms = ["linux-64", "noarch"]
    records = await rattler.solve(
        [f"file://{channel}"], specs, gateway=rattler.Gateway(cache_dir=cache), platforms=platforms, virtual_packages=virtual
    )
    await rattler.install(records, prefix, cache_dir=cache, platform=rattler.Platform("linux-64"), show_progress=False)

asyncio.run(main())
os._exit(0)
"""


def prepare(work: Path) -> Path:
    """The channel: 50 packages, and one more."""
    channel = work / "channel"
    if channel.exists():
        return channel
    wheels = work / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
    target = [f"--python-version={PYTHON}", "--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64"]
    subprocess.run([*command, *target, "--quiet", *WHEELS, MORE], check=True, timeout=1800)
    packages = [converted(wheel) for wheel in sorted(wheels.glob("*.whl"))]
    making = work / "making"
    write_channel(making, [python_package(), *packages])
    making.rename(channel)
    return channel


def converted(wheel: Path) -> MadePackage:
    """A wheel as a conda package: compiled for one platform, or Python code for all."""
    name, version, *_, platform = wheel.stem.split("-")
    noarch = platform == "any"
    folder = "site-packages" if noarch else f"lib/python{PYTHON}/site-packages"
    files: dict[str, CondaFile | bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir() and ".data/" not in member.filename:
                files[f"{folder}/{member.filename}"] = archive.read(member)
    return make_package(
        name.lower().replace("_", "-"),
        version,
        files,
        depends=[f"python {PYTHON}.*"],
        build="py_0" if noarch else "py311_0",
        subdir="noarch" if noarch else "linux-64",
        noarch="python" if noarch else "",
    )


def python_package() -> MadePackage:
    """Debian's Python, with a prefix to be replaced in its library."""
    library = Path(f"/usr/lib/python{PYTHON}")
    program = Path(f"/usr/bin/python{PYTHON}").read_bytes() + f"{OLD}/lib\0".encode()
    files: dict[str, CondaFile | bytes] = {f"bin/python{PYTHON}": CondaFile(program, True, OLD, "binary")}
    files["bin/python"] = CondaFile(link=f"python{PYTHON}")
    for path in sorted(library.rglob("*")):
        inside = path.relative_to(library).parts
        if path.is_file() and not path.is_symlink() and not {"__pycache__", "test", "dist-packages"} & set(inside):
            files[str(path.relative_to("/usr"))] = CondaFile(path.read_bytes(), mtime=int(path.stat().st_mtime))
    return make_package("python", f"{PYTHON}.2", files, build="h0_0_cpython", depends=["__glibc >=2.17"])


def ours(work: Path, cache: Path, names: list[str]) -> float:
    """A process that solves, writes the layers, and tags the image in the local store."""
    (work / "app.py").write_text(APP.format(python=PYTHON, packages=names))
    environ = {**os.environ, "IMAGEWRIGHT_CACHE_DIR": str(cache)}
    program = str(Path(sys.executable).with_name("imagewright"))
    started = time.perf_counter()
    subprocess.run(
        [program, "build", "-q", "--registry", "local", "app.py"],
        cwd=work, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip
    return time.perf_counter() - started


def installed(work: Path, prefix: Path, names: list[str]) -> float:
    """The peer: solve, and install into a folder."""
    started = time.perf_counter()
    arguments = [str(work / "channel"), str(prefix), str(work / "rattler"), *names]
    subprocess.run([sys.executable, "-W", "ignore", "-c", PEER, *arguments], check=True, timeout=900)
    return time.perf_counter() - started


def packed(prefix: Path, out: Path) -> float:
    """What makes a layer of the folder: tar, gzip, and the two digests."""
    started = time.perf_counter()
    command = f"tar -C {prefix} -c . | tee >(sha256sum >/dev/null) | gzip | tee {out} | sha256sum"
    subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL, timeout=900)
    return time.perf_counter() - started


def forget(cache: Path, known: Path) -> None:
    """Put our cache back to what was known."""
    shutil.rmtree(cache, ignore_errors=True)
    shutil.copytree(known, cache, symlinks=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path(".benchmarks/conda"))
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    prepare(work)
    names = [*sorted(wheel.partition("==")[0] for wheel in WHEELS), "python"]
    more = [*names, MORE.partition("==")[0]]
    known, cache, prefix = work / "known", work / "cache", work / "rootfs"
    if not known.exists():
        ours(work, known, ["python"])  # the base, which both sides have
        shutil.rmtree(known / "locks")
    installed(work, prefix, more)  # unpacks every package into the peer's cache
    figures: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        figures.setdefault(name, []).append(seconds)

    for _ in range(chosen.rounds):
        forget(cache, known)
        note("ours, 50 packages", ours(work, cache, names))
        note("ours, one more", ours(work, cache, more))
        shutil.rmtree(prefix, ignore_errors=True)
        for title, wanted in (("50 packages", names), ("one more", more)):
            seconds = installed(work, prefix, wanted)
            note(f"rattler install, {title}", seconds)
            note(f"rattler install + one layer, {title}", seconds + packed(prefix, work / "layer.tar.gz"))
    for name, seconds in figures.items():
        print(f"{name:40} {statistics.median(seconds):6.2f} s   ({min(seconds):.2f} - {max(seconds):.2f})")
    (work / "figures.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
