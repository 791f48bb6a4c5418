"""Fifty images that people write: each is built, started in a container, and used for what it is for.

    python benchmarks/fifty.py [NAME ...] [--work FOLDER] [--again] [--jobs N]

`fifty.toml` has the images. What has worked is not done again without `--again`, so a run that was stopped goes on. It
needs root or unprivileged user namespaces, docker-registry, the package registries, and 20 GB in ``.benchmarks/fifty``.
Torch for CPUs has to be in an index or a folder that pip is configured for. Results: ``results/fifty.json``, and the
table in ``docs/reports/fifty-specs.md`` when all were tried.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meter import Registry

from imagewright.testing.conda import CondaFile, make_package, write_channel

HERE = Path(__file__).parent
PROGRAM = str(Path(sys.executable).with_name("imagewright"))
BUILD_SECONDS, START_SECONDS = 900, 300
APP = """from imagewright import ImageSpec, task, workflow

image = ImageSpec("{name}", {image})


@task(container_image=image)
def use() -> str:
{body}


@workflow
def main() -> str:
    return use()
"""
BEGIN, END = "<!-- fifty.py writes this table -->", "<!-- until here -->"
BASE = """from imagewright import ImageSpec

image = ImageSpec("fifty-base", packages=["requests"])
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one image. ``size`` is what a registry stores of it, in bytes; seconds are 0 where it did not get so far."""

    name: str
    what: str
    outcome: str
    said: str
    build_seconds: float = 0.0
    start_seconds: float = 0.0
    size: int = 0
    layers: int = 0


class Failed(Exception):
    """A program ended badly."""


def run(arguments: list[str], folder: Path, environ: dict[str, str], timeout: float) -> tuple[str, float]:
    """What the program printed, and how long it took."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            arguments, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(arguments[0]).name} {arguments[1]}: not done after {timeout:.0f} s") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip() or done.stdout.strip())[-3000:])
    return done.stdout.strip(), time.perf_counter() - started


def written(spec: dict[str, Any], folder: Path, environ: dict[str, str]) -> None:
    """The declaration and what lies beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in spec.get("files", {}).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.removeprefix("\n"))
    if spec.get("channel"):
        tool = CondaFile(b"#!/bin/sh\necho the tool of the channel\n", executable=True)
        write_channel(folder / "channel", [make_package("tool", "1.0", {"bin/tool": tool})])
    body = "\n".join(f"    {line}" if line else "" for line in spec["task"].strip().splitlines())
    (folder / "app.py").write_text(
        APP.format(name=spec["name"], image=spec["image"].replace("{base}", environ.get("FIFTY_BASE", "")), body=body)
    )
    for program, *arguments in spec.get("prepare", ()):
        run([str(Path(sys.executable).with_name(program)), *arguments], folder, environ, 120)


def tried(spec: dict[str, Any], work: Path, environ: dict[str, str]) -> Result:
    """One image: built, started, used."""
    folder = work / "apps" / spec["name"]
    known = {"name": spec["name"], "what": spec["what"]}
    try:
        written(spec, folder, environ)
        reference, build = run(
            [PROGRAM, "build", "-q", "--registry", "local", "app.py"], folder, environ, BUILD_SECONDS
        )
    except Failed as failed:
        return Result(**known, outcome="not built", said=str(failed))
    size, layers = measured(work / "cache" / "store", reference.splitlines()[-1].rpartition("@")[2])
    counted = {"build_seconds": round(build, 1), "size": size, "layers": layers}
    try:
        command = [PROGRAM, "run", "-q", "--container", "--registry", "local", "app.py", "main"]
        said, start = run(command, folder, environ, START_SECONDS)
    except Failed as failed:
        return Result(**known, outcome="not run", said=str(failed), **counted)
    return Result(**known, outcome="works", said=said, start_seconds=round(start, 1), **counted)


def measured(store: Path, digest: str) -> tuple[int, int]:
    """The bytes of the layers of an image, or of all of an index, and how many they are."""

    def layers(digest: str) -> dict[str, int]:
        document = json.loads((store / "blobs" / digest.replace(":", "/")).read_bytes())
        found = {one["digest"]: one["size"] for one in document.get("layers", ())}
        for manifest in document.get("manifests", ()):
            found |= layers(manifest["digest"])
        return found

    found = layers(digest)
    return sum(found.values()), len(found)


def table(results: list[Result]) -> str:
    """The results as Markdown."""
    lines = [
        "| image | what it is | build, s | first start, s | MB | layers | result |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        said = re.sub(r"\s+", " ", one.said if one.outcome == "works" else one.said.splitlines()[0])[:120]
        figures = f"{one.build_seconds or '-'} | {one.start_seconds or '-'} | {one.size / 1e6:.0f} | {one.layers}"
        lines.append(f"| {one.name} | {one.what} | {figures} | {one.outcome}: {said.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these images alone")
    parser.add_argument("--work", type=Path, default=Path(".benchmarks/fifty"))
    parser.add_argument("--again", action="store_true", help="also what has worked")
    parser.add_argument("--jobs", type=int, default=1, help="images that are built side by side")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--report", type=Path, default=HERE.parent / "docs" / "reports" / "fifty-specs.md")
    chosen = parser.parse_args()
    work: Path = chosen.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    specs = tomllib.loads((HERE / "fifty.toml").read_text(encoding="utf-8"))["spec"]
    if unknown := set(chosen.names) - {spec["name"] for spec in specs}:
        parser.error(f"no image of fifty.toml is named {', '.join(sorted(unknown))}")
    file = chosen.results / "fifty.json"
    results = {one["name"]: Result(**one) for one in json.loads(file.read_text())} if file.exists() else {}
    environ = {**os.environ, "IMAGEWRIGHT_CACHE_DIR": str(work / "cache")}

    def in_order(results: dict[str, Result]) -> list[Result]:
        return [results[spec["name"]] for spec in specs if spec["name"] in results]

    def one(spec: dict[str, Any]) -> Result:
        result = tried(spec, work, environ)
        print(f"{result.name:20} {result.build_seconds:6.1f} {result.start_seconds:6.1f}  {result.outcome}: {result.said}", flush=True)  # fmt: skip
        return result

    done = {name for name, result in results.items() if result.outcome == "works"}
    wanted = [spec for spec in specs if not chosen.names or spec["name"] in chosen.names]
    if not chosen.again:
        wanted = [spec for spec in wanted if spec["name"] not in done]
    with ExitStack() as stack:
        if any(spec.get("registry") for spec in wanted):
            registry = Registry(work / "registry")
            stack.enter_context(registry.serve())
            (work / "base.py").write_text(BASE)
            pushed, _ = run(
                [PROGRAM, "build", "-q", "--registry", registry.place, "base.py"], work, environ, BUILD_SECONDS
            )
            environ["FIFTY_BASE"] = pushed
        for result in stack.enter_context(ThreadPoolExecutor(chosen.jobs)).map(one, wanted):
            results[result.name] = result
            file.write_text(json.dumps([asdict(each) for each in in_order(results)], indent=1) + "\n")
    if results.keys() == {spec["name"] for spec in specs}:
        before, _, rest = chosen.report.read_text(encoding="utf-8").partition(BEGIN)
        text = f"{before}{BEGIN}\n\n{table(in_order(results))}\n{END}{rest.partition(END)[2]}"
        chosen.report.write_text(text, encoding="utf-8")
    failed = [name for name, result in results.items() if result.outcome != "works"]
    print(f"{len(results) - len(failed)} of {len(results)} work" + (f"; not: {', '.join(failed)}" if failed else ""))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
