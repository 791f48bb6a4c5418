"""Every field of an ImageSpec on every kind of base: what comes of it. The tests are parametrised with these cells, and
docs/reference/fields.md is written from them, so no cell is without a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any


@dataclass(frozen=True)
class Refused:
    """An error before anything is built, with this code; ``said`` is in its text. ``why`` is for a reader.

    ``value`` is what is written into the spec, where it is not the value that works elsewhere.
    """

    code: str
    said: str
    why: str
    value: str = ""


@dataclass(frozen=True)
class Works:
    """The field does what it says. ``how`` is what a reader has to know; ``but`` is the value that is refused."""

    how: str = ""
    but: Refused | None = None


Cell = Works | Refused


@dataclass(frozen=True)
class Image:
    """An image as it was published, and what a task saw in a container of it."""

    repository: str
    tag: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """The two images of a kind of base: ``main``, and ``wide`` for two platforms. ``said`` is what the command told.

    ``logins`` are the Authorization headers that the index with a login got, ``pushes`` those of the registry.
    """

    kind: str
    main: Image
    wide: Image
    said: str
    logins: frozenset[str]
    pushes: frozenset[str]


@dataclass(frozen=True)
class Kind:
    """A kind of base. ``base`` is written into the spec, where LAYOUT, PLACE and FOLDER are names; ``python`` is the
    interpreter that python_exec names, and ``prefix`` where it belongs to. ``shown_by`` is the kind on which it is seen what
    works."""

    title: str
    words: str
    base: str
    python: str = "/usr/bin/python3"
    prefix: str = "/usr"
    wide: str = ""
    shown_by: str = ""


@dataclass(frozen=True)
class Field:
    """``value`` is what is written into the spec; ``look`` gives what was found, and what has to be found.

    ``wide``: it is a field of the image for two platforms, ``main`` of the other one. ``needs``: fields without which it
    would say nothing. ``cells``: the kinds of base on which more is to be said than that it works.
    """

    value: str
    look: Callable[[Seen], tuple[object, object]]
    wide: bool = False
    main: bool = True
    needs: tuple[str, ...] = ()
    cells: Mapping[str, Cell] = field(default_factory=dict)


LOGIN = "Basic YWxpY2U6d29uZGVybGFuZA=="  # alice:wonderland
TOKEN = "s3cret-of-a-test"
MOMENT = "20260520T000000Z"
ODD = 'it\'s "so" $HOME'

KINDS = {
    "default": Kind("default", "no `base_image`: Debian and its Python", ""),
    "registry": Kind(
        "registry",
        "an image of a registry with a login, as `python:3.11-slim`: Debian, with its own Python in /usr/local",
        "f'{PLACE}/upstream/python:slim'",
        "/usr/local/bin/python3",
        "/usr/local",
    ),
    "debian": Kind(
        "Debian",
        "Debian or Ubuntu with the system's Python, which PEP 668 protects",
        "f'oci:{LAYOUT}:debian'",
    ),
    "venv": Kind(
        "venv",
        "a virtual environment that is first on PATH, as flytekit's images have",
        "f'oci:{LAYOUT}:venv'",
        "/opt/venv/bin/python3",
    ),
    "conda": Kind(
        "conda",
        "a conda environment that is first on PATH, as `continuumio/miniconda3` has",
        "f'oci:{LAYOUT}:conda'",
        "/opt/conda/bin/python3",
        "/opt/conda",
    ),
    "several": Kind(
        "several",
        "two Pythons, of which `python_exec` takes the one that is not first on PATH",
        "f'oci:{LAYOUT}:several'",
        "/opt/other/bin/python3",
        "/opt/other",
    ),
    "none": Kind("none", "Debian without a Python", "f'oci:{LAYOUT}:none'", shown_by="brought"),
    "brought": Kind(
        "brought",
        "Debian without a Python, to which `conda_packages` bring one",
        "f'oci:{LAYOUT}:brought'",
        "/opt/imagewright-conda/bin/python",
        "/opt/imagewright-conda",
    ),
    "spec": Kind(
        "ImageSpec",
        "another ImageSpec, on the default base",
        "ImageSpec('below', packages=['omega==1'], pip_index=INDEX, env={'BASE': 'spec'})",
    ),
    "file": Kind(
        "file",
        "`docker-archive:FILE`, and `oci-archive:FILE` for two platforms; the other columns have `oci:FOLDER`",
        "'docker-archive:base.tar'",
        wide="'oci-archive:wide.tar'",
    ),
    "musl": Kind(
        "musl",
        "Alpine and others with musl in place of glibc",
        "f'oci:{LAYOUT}:musl'",
        "/usr/local/bin/python3",
        "/usr/local",
    ),
}

NO_PYTHON = Refused("IW204", "has no Python", "there is no Python that packages could be installed for")
NO_SUCH_PYTHON = Refused("IW204", "has no Python 3.12", "", "'3.12'")
NO_CONDA_PYTHON = Refused("IW202", "(Python 3.12, linux-64, glibc", "", "'3.12'")
NO_PYTHON_THERE = Refused("IW204", "has no Python at /nowhere/python", "", "'/nowhere/python'")
BRINGS = "a Python among the packages is the image's; the column beside it says what else works then"
NO_APT = Refused("IW204", "it is alpine", "it is no Debian and no Ubuntu")
NO_CUDA = Refused("IW203", "on linux/amd64 (musl)", "NVIDIA makes no wheels for musl")
NO_CONDA = Refused("IW204", "conda packages need glibc", "conda packages are made for glibc")

FIELDS = {
    "name": Field("'fields'", lambda seen: (seen.main.repository, "acme/fields")),
    "python_version": Field(
        "'3.11'",
        lambda seen: (seen.main.facts["python"], "3.11"),
        wide=True,
        cells={
            **dict.fromkeys(
                KINDS, Works("a version that the base has; another one is refused (IW204)", NO_SUCH_PYTHON)
            ),
            "default": Works(
                "a version that one of Debian's releases has; another one is refused (IW204)", NO_SUCH_PYTHON
            ),
            "brought": Works("a version that the channels have; another one is refused (IW202)", NO_CONDA_PYTHON),
            "none": NO_PYTHON,
        },
    ),
    "builder": Field("'native'", lambda seen: ("imagewright: mine 7" in history(seen.main), True)),
    "source_root": Field("'src'", lambda seen: (seen.main.facts["files"].get("/root/model.py"), "MODEL = 1\n")),
    "env": Field("{'ODD': ODD}", lambda seen: (seen.main.facts["env"].get("ODD"), ODD)),
    "registry": Field(
        "f'{PLACE}/acme'",
        lambda seen: (bool(seen.main.manifest["layers"]), True),
        wide=True,
        needs=("registry_config",),
    ),
    "packages": Field(
        "['alpha==1.0', 'beta', 'gamma', 'native']",
        lambda seen: (
            (version(seen, "alpha"), seen.main.facts["origins"]["native"]),
            ("1.0", "musllinux" if seen.kind == "musl" else "manylinux"),
        ),
        cells={"musl": Works("wheels for musl, or for every platform, are taken")},
    ),
    "conda_packages": Field(
        "['shell']",
        lambda seen: (seen.wide.facts["conda"], "from /opt/imagewright-conda"),
        wide=True,
        main=False,
        needs=("conda_channels",),
        cells={"musl": NO_CONDA, "none": Works(BRINGS), "brought": Works("a Python is among them")},
    ),
    "conda_channels": Field(
        "['./channel', 'nodefaults']",
        lambda seen: (seen.wide.facts["channel"], "file:///channel"),
        wide=True,
        main=False,
        needs=("conda_packages",),
        cells={"musl": NO_CONDA, "none": Works(BRINGS)},
    ),
    "requirements": Field("'project/pyproject.toml'", lambda seen: (version(seen, "delta"), "3")),
    "apt_packages": Field(
        "['tree']",
        lambda seen: (seen.main.facts["apt"], ["/usr/bin/tree", "ii"]),
        cells={"musl": NO_APT},
    ),
    "cuda": Field(
        "'12.4'",
        lambda seen: (
            (version(seen, "nvidia-cuda-runtime-cu12"), seen.main.facts["env"].get("CUDA_VERSION")),
            ("12.4.127", "12.4"),
        ),
        needs=("pip_index",),
        cells={"musl": NO_CUDA},
    ),
    "cudnn": Field(
        "'9'",
        lambda seen: (version(seen, "nvidia-cudnn-cu12"), "9.1.0.70"),
        needs=("cuda", "pip_index"),
        cells={"musl": NO_CUDA},
    ),
    "base_image": Field(
        "",
        lambda seen: (seen.main.facts["env"].get("BASE", "default"), seen.kind),
        wide=True,
        cells={"default": Works("not given: that is this base")},
    ),
    "platform": Field(
        "'linux/amd64,linux/arm64'",
        lambda seen: (
            (seen.wide.platforms, seen.wide.facts["machine"]),
            (("linux/amd64", "linux/arm64"), "x86_64"),
        ),
        wide=True,
        main=False,
    ),
    "pip_index": Field("INDEX", lambda seen: (seen.main.facts["origins"].get("alpha"), "index"), wide=True),
    "pip_extra_index_url": Field("[EXTRA]", lambda seen: (seen.main.facts["origins"].get("beta"), "extra")),
    "pip_secret_mounts": Field(
        "[('netrc', '/root/.netrc')]",
        lambda seen: ((LOGIN in seen.logins, "wonderland" in str(seen.main)), (True, False)),
    ),
    "pip_extra_args": Field("'--pre'", lambda seen: (version(seen, "gamma"), "2.0rc1")),
    "registry_config": Field("'registry.json'", lambda seen: (LOGIN in seen.pushes, True), wide=True),
    "entrypoint": Field(
        "['/usr/bin/env', 'THROUGH=entrypoint']",
        lambda seen: (seen.main.facts["env"].get("THROUGH"), "entrypoint"),
    ),
    "commands": Field(
        "['python -c \"import alpha; print(alpha.origin)\" > /opt/ran; cut -d: -f1 -s /proc/net/dev > /opt/links', "
        "'printf %s \"$TOKEN\" | sha256sum > /opt/token']",
        lambda seen: (seen.main.facts["files"].get("/opt/ran"), "index\n"),
        needs=("packages", "pip_index"),
    ),
    "tag_format": Field("'{spec_hash}-' + KIND", lambda seen: (seen.main.tag.partition("-")[2], seen.kind), wide=True),
    "source_copy_mode": Field(
        "'all'",
        lambda seen: (seen.main.facts["files"].get("/root/notes.txt"), "notes\n"),
        needs=("source_root",),
    ),
    "copy": Field("['data.txt']", lambda seen: (seen.main.facts["files"].get("/root/data.txt"), "data\n")),
    "python_exec": Field(
        "",
        lambda seen: (seen.main.facts["prefixes"], ["/opt/imagewright", KINDS[seen.kind].prefix]),
        cells={
            **dict.fromkeys(
                KINDS, Works("a Python that the base has; another path is refused (IW204)", NO_PYTHON_THERE)
            ),
            "brought": Refused(
                "IW102", "cannot be chosen together with conda_packages", "conda's Python is the image's"
            ),
            "none": NO_PYTHON,
        },
    ),
    "runtime_packages": Field(
        "['late==1.0']",
        lambda seen: ((version(seen, "late"), "late" in history(seen.main)), ("1.0", False)),
    ),
    "builder_options": Field(
        "{'command_network': False}",
        lambda seen: (seen.main.facts["files"].get("/opt/links", "").split(), ["lo"]),
        needs=("commands", "packages", "pip_index"),
    ),
    "builder_config": Field(
        "{'uv_image': 'example.com/uv'}",
        lambda seen: ("builder_config: no uv_image is needed" in seen.said, True),
    ),
    "install_project": Field("True", lambda seen: (version(seen, "mine"), "7"), needs=("requirements", "pip_index")),
    "secrets": Field(
        "{'TOKEN': 'env:FIELDS_TOKEN'}",
        lambda seen: (
            (seen.main.facts["files"].get("/opt/token", "").split()[:1], TOKEN in str(seen)),
            ([sha256(TOKEN.encode()).hexdigest()], False),
        ),
        needs=("commands", "packages", "pip_index"),
    ),
    "labels": Field("{'team': 'ml'}", lambda seen: (seen.main.config["config"].get("Labels", {}).get("team"), "ml")),
    "annotations": Field(
        "{'com.example.run': '7'}",
        lambda seen: (seen.main.manifest.get("annotations", {}).get("com.example.run"), "7"),
    ),
    "user": Field("'1000:1000'", lambda seen: (seen.main.facts["user"], [1000, 1000])),
    "workdir": Field("'/srv/app'", lambda seen: (seen.main.facts["cwd"], "/srv/app")),
    "apt_snapshot": Field(
        "'2026-05-20'",
        lambda seen: (f"deb:debian@{MOMENT}/" in str(seen.main.manifest.get("annotations")), True),
        needs=("apt_packages",),
        cells={"musl": NO_APT},
    ),
    # 3 says that Python compares it with the source, which the commands might have changed.
    "compile_bytecode": Field(
        "True", lambda seen: (seen.main.facts["bytecode"], [3, 3]), needs=("packages", "pip_index", "commands")
    ),
}


def cell(name: str, kind: str) -> Cell:
    """What comes of a field on a kind of base."""
    return FIELDS[name].cells.get(kind, NO_PYTHON if kind == "none" else Works())


def refusals() -> list[tuple[str, str, Refused]]:
    """Kind, field and error of all that is refused, also where other values of the field work."""
    cells = ((kind, name, cell(name, kind)) for kind in KINDS for name in FIELDS)
    found = ((kind, name, one.but if isinstance(one, Works) else one) for kind, name, one in cells)
    return [(kind, name, one) for kind, name, one in found if one is not None]


def written(name: str, kind: str, *, wide: bool = False) -> str:
    """The value of a field as it is written in the spec, or "" where it is left out."""
    if name == "base_image":
        return (KINDS[kind].wide if wide else "") or KINDS[kind].base
    if name == "conda_packages" and kind in ("none", "brought"):
        return "['python', 'shell']"
    return repr(KINDS[kind].python) if name == "python_exec" else FIELDS[name].value


def spec_of(kind: str, *, wide: bool) -> dict[str, str]:
    """The fields of one of the two images of a kind of base, as they are written: all that work there."""
    names = [
        name
        for name, one in FIELDS.items()
        if isinstance(cell(name, kind), Works)
        and (one.wide if wide else one.main or (kind == "brought" and name != "platform"))
    ]
    return {name: text for name in names if (text := written(name, kind, wide=wide))}


def table() -> str:
    """docs/reference/fields.md."""
    notes: list[str] = []

    def shown(name: str, kind: str) -> str:
        one = cell(name, kind)
        word, note = ("yes", one.how) if isinstance(one, Works) else (one.code, one.why)
        if note and note not in notes:
            notes.append(note)
        return f"{word} [{notes.index(note) + 1}]" if note else word

    rows = [f"| `{name}` | {' | '.join(shown(name, kind) for kind in KINDS)} |" for name in FIELDS]
    return "\n".join(
        [
            "# Fields and bases",
            "",
            "What each field of an `ImageSpec` does on each kind of base image.",
            (
                "Every cell is a test: for each kind of base images with these fields are built and published, a task runs in a "
                "container of each and looks around."
            ),
            "`yes` is what it found; a code is the error that says so before anything is built ([error codes](errors.md)).",
            "",
            *(f"- **{one.title}**: {one.words}" for one in KINDS.values()),
            "",
            f"| field | {' | '.join(one.title for one in KINDS.values())} |",
            f"|---|{'---|' * len(KINDS)}",
            *rows,
            "",
            *(f"{number}. {note[0].upper()}{note[1:]}." for number, note in enumerate(notes, 1)),
            "",
            (
                "The Pythons of these tests are Debian's, in other places; the one of musl is made for glibc and hidden from who looks for "
                "that, so of compiled wheels it is seen which were chosen, and not that they load."
            ),
            "`forced`, `where` and `directory` say nothing of the image.",
            "",
        ]
    )


def version(seen: Seen, name: str) -> str | None:
    """The version of a package that the task saw."""
    return seen.main.facts["packages"].get(name)  # type: ignore[no-any-return]


def history(image: Image) -> str:
    """What the layers say of themselves."""
    return "\n".join(str(one.get("created_by", "")) for one in image.config["history"])
