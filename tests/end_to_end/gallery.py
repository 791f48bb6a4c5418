"""Builds and runs the images of the table of fields: two for each kind of base, by one command, when they are first asked for."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.bases import Bases
from tests.end_to_end.conda_python import MINOR, available, python_package
from tests.end_to_end.conftest import command
from tests.end_to_end.debs import local_archive, snapshots
from tests.end_to_end.fields import LOGIN, MOMENT, ODD, TOKEN, Image, Seen, spec_of
from tests.end_to_end.kinds import make_kinds

from imagewright.store.registry.logins import Login
from imagewright.store.registry.repository import Repository
from imagewright.testing.conda import CondaFile, make_package, write_channel
from imagewright.testing.fake_registry import PASSWORD, USERNAME, FakeRegistry
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_wheel
from imagewright.transport import Transport

LINUX = "py3-none-manylinux_2_17_x86_64"  # NVIDIA has no wheels for musl
OLD = "/build/_placeholder_placeholder_placeholder"

LOOK = """
def facts():
    import json, os, shutil, subprocess, sys
    from importlib import import_module
    from importlib.metadata import distributions

    def out(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.strip()
        except OSError:
            return ""

    def origin(name):
        try:
            return import_module(name).origin
        except (ImportError, AttributeError):
            return ""

    def flags(name):
        try:
            return open(import_module(name).__cached__, "rb").read(8)[4]
        except (ImportError, AttributeError, OSError):
            return ""

    files = {}
    for folder in ("/root", "/opt"):
        for name in sorted(os.listdir(folder)):
            if os.path.isfile(path := f"{folder}/{name}"):
                files[path] = open(path).read()
    meta = "/opt/imagewright-conda/conda-meta"
    records = [json.load(open(f"{meta}/{one}")) for one in os.listdir(meta) if one.startswith("shell")] if os.path.isdir(meta) else []
    return json.dumps({
        "python": "%d.%d" % sys.version_info[:2], "prefixes": [sys.prefix, sys.base_prefix], "env": dict(os.environ),
        "user": [os.getuid(), os.getgid()], "cwd": os.getcwd(), "machine": os.uname().machine, "files": files,
        "packages": {one.metadata["Name"]: one.version for one in reversed(list(distributions()))},
        "origins": {name: origin(name) for name in ("alpha", "beta", "native")},
        "apt": [shutil.which("tree"), out("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "tree").strip()],
        "bytecode": [flags("alpha"), flags("json")], "conda": out("shell"), "channel": records[0]["channel"] if records else "",
    })
"""


@dataclass
class Gallery:
    """The surroundings that the specs name, and what was seen of each kind of base so far."""

    cache: Path
    folder: Path
    names: dict[str, str]
    registry: FakeRegistry
    extra: PackageIndex
    archives: Mapping[str, str]
    _seen: dict[str, Seen | str] = field(default_factory=dict)

    def seen(self, kind: str) -> Seen:
        """What a task saw in each image of the kind."""
        if kind == "brought" and not has_python():
            pytest.skip("this machine has no /usr/bin/python3.11 of which a conda package could be made")
        if kind not in self._seen:
            self._seen[kind] = self._see(kind)
        found = self._seen[kind]
        assert isinstance(found, Seen), found
        return found

    def environ(self) -> dict[str, str]:
        """What the command, or a build of this process, may see of the environment. No login is in it."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {"FIELDS_TOKEN": TOKEN, "DOCKER_CONFIG": str(home), "HOME": str(home)}

    def _see(self, kind: str) -> Seen | str:
        names = {**self.names, "KIND": kind}
        specs = {"main": spec_of(kind, wide=False), "wide": spec_of(kind, wide=True)}
        lines = ["import json", "from imagewright import ImageSpec, task, workflow", ""]
        lines += [f"{name} = {value!r}" for name, value in names.items()] + [LOOK]
        for name, fields in specs.items():
            texts = {"name": repr(name), **fields}
            lines += [f"{name} = ImageSpec(", *(f"    {one}={text}," for one, text in texts.items()), ")", ""]
            lines += [f"@task(container_image={name})", f"def look_{name}() -> str:", "    return facts()", ""]
        lines += ["@task", "def both(main: str, wide: str) -> str:", "    return json.dumps([main, wide])", ""]
        lines += ["@workflow", "def all() -> str:", "    return both(main=look_main(), wide=look_wide())", ""]
        app = self.folder / f"on_{kind}.py"
        app.write_text("\n".join(lines))
        before, pushed = len(self.extra.asked), len(self.registry.authorizations)
        run = command(self.cache, self.folder)
        snapshot = self.archives["real" if kind in ("default", "spec") else "made"]

        ran = run("run", "-v", "--container", "--debian-snapshots", snapshot, app.name, "all", **self.environ())

        if ran.returncode:
            return ran.stderr
        logins = frozenset(one.headers.get("authorization", "") for one in self.extra.asked[before:])
        pushes = frozenset(self.registry.authorizations[pushed:])
        main, wide = (json.loads(text) for text in json.loads(ran.stdout))
        images = self._image("acme/fields", kind, main), self._image("acme/wide", kind, wide)
        return Seen(kind, *images, ran.stderr, logins, pushes)

    def _image(self, repository: str, kind: str, facts: Mapping[str, Any]) -> Image:
        """The image of a repository of the registry whose tag ends with the kind."""
        tag = [
            one.rpartition("/")[2]
            for one in self.registry.manifests
            if one.startswith(f"{repository}/") and "sha256:" not in one and one.endswith(f"-{kind}")
        ][-1]
        manifest = json.loads(self.registry.manifest(repository, tag)[1])  # type: ignore[index]
        platforms = []
        for one in manifest.get("manifests", ()):
            platforms.append("{os}/{architecture}".format_map(one["platform"]))
            if one["platform"]["architecture"] == "amd64":
                chosen = one["digest"]
        if platforms:
            manifest = json.loads(self.registry.manifest(repository, chosen)[1])  # type: ignore[index]
        config = json.loads(self.registry.blob(repository, manifest["config"]["digest"]) or b"{}")
        return Image(repository, tag, manifest, config, facts, tuple(platforms))


@contextmanager
def gallery(cache: Path, folder: Path, bases: Bases) -> Iterator[Gallery]:
    """Indexes, a registry with a login, Debian archives and the user's files, while the body runs."""
    usual, extra = PackageIndex(), PackageIndex(login=(USERNAME, PASSWORD))
    usual.add(
        make_wheel("alpha", "1.0", files={"alpha.py": "origin = 'index'\n"}),
        make_wheel("alpha", "2.0", files={"alpha.py": "origin = 'index'\n"}),
        *(make_wheel("gamma", number) for number in ("1.0", "2.0rc1")),
        *(make_wheel(name, number) for name, number in {"delta": "3", "late": "1.0", "omega": "1"}.items()),
        *(
            make_wheel("native", "1", tag=f"cp311-cp311-{tag}_x86_64", files={"native.py": f"origin = {tag[:9]!r}\n"})
            for tag in ("manylinux_2_17", "musllinux_1_2")
        ),
        make_wheel("nvidia-cuda-runtime-cu12", "12.4.127", tag=LINUX),
        make_wheel("nvidia-cuda-runtime-cu12", "12.8.90", tag=LINUX),
        make_wheel("nvidia-cudnn-cu12", "9.1.0.70", tag=LINUX),
    )
    extra.add(make_wheel("beta", "1.0", files={"beta.py": "origin = 'extra'\n"}))
    registry = FakeRegistry(auth="basic", separate=True, mounts="yes")
    write_files(folder)
    with (
        usual.serve() as index,
        extra.serve() as other,
        registry.serve() as place,
        local_archive(folder / "archive") as archive,
        snapshots(MOMENT) as (real, _),
        Transport() as transport,
    ):
        archive.add("tree", files={"usr/bin/tree": "#!/bin/sh\n"})
        archive.publish("bookworm")
        (archive.folder / "archive/debian").mkdir(parents=True)
        (archive.folder / f"archive/debian/{MOMENT}").symlink_to(archive.folder)
        auth = {"auths": {place: {"auth": LOGIN.removeprefix("Basic ")}}}
        (folder / "registry.json").write_text(json.dumps(auth))
        make_kinds(bases, archive, Repository(place, "upstream/python", transport, _Known()), folder)
        names = {"INDEX": index, "EXTRA": other, "PLACE": place, "LAYOUT": str(bases.layout.root), "ODD": ODD}
        yield Gallery(cache, folder, names, registry, extra, {"real": real, "made": f"{archive.address}/archive"})


class _Known:
    def find(self, registry: str, repository: str) -> Login:
        return Login(USERNAME, PASSWORD, source="a test")


def write_files(folder: Path) -> None:
    """The files that the specs name."""
    for path, text in {
        "src/model.py": "MODEL = 1\n",
        "src/notes.txt": "notes\n",
        "data.txt": "data\n",
        "netrc": f"machine 127.0.0.1 login {USERNAME} password {PASSWORD}\n",
        "project/pyproject.toml": '[project]\nname = "mine"\nversion = "7"\ndependencies = ["delta"]\n\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "project/backend.py": BACKEND,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    mine = make_wheel("mine", "7", requires=["delta"])
    (folder / "project" / mine.filename).write_bytes(mine.data)
    script = CondaFile(f"#!/bin/sh\necho from {OLD}\n".encode(), True, OLD)
    shell = make_package("shell", "2.0", {"bin/shell": script}, noarch="generic", subdir="noarch")
    pythons = [python_package(subdir) for subdir in ("linux-64", "linux-aarch64")] if has_python() else []
    write_channel(folder / "channel", [shell, *pythons])


def has_python() -> bool:
    """Whether this machine has the Python that a conda package is made of."""
    return available() and MINOR == "3.11"


BACKEND = """
import os, shutil

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "mine-7-py3-none-any.whl"
    shutil.copyfile(os.path.join(os.path.dirname(__file__), name), os.path.join(folder, name))
    return name
"""
