"""Every kind of spec that flytekit 1.16's own image tests make: it is built, and a task runs in it and looks around.

What they name (pandas, torch) is made here, so that an index of this process has it; fields and combinations are theirs.
Their Python 3.12 is 3.11 here, which Debian has, and their entrypoint /bin/bash is told to run what it is given: alone it
runs no task, in Flyte neither.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.end_to_end.bases import Bases, file
from tests.end_to_end.conda_python import MINOR, available, python_package
from tests.end_to_end.conftest import Run, command
from tests.end_to_end.debs import LocalArchive, local_archive
from tests.end_to_end.test_base_images import bases as bases  # a fixture
from uv import find_uv_bin

from imagewright.packages.pypi.poetry_lock import content_hash
from imagewright.testing.conda import make_package, write_channel
from imagewright.testing.index import PackageIndex
from imagewright.testing.registry import docker_registry, docker_registry_program
from imagewright.testing.wheels import make_wheel

pytestmark = [pytest.mark.network, pytest.mark.root]

INSTALLED = version("click")  # what from_env pins: anything that is installed where the tests run
VERSIONS = {
    "pandas": "2.2.1",
    "numpy": "1.26.4",
    "threadpoolctl": "3.5.0",
    "scikit-learn": "1.5.0",
    "click": INSTALLED,
    "flytekit": "1.13.0",
    "nvidia-cuda-runtime-cu12": "12.4.127",
    "nvidia-cudnn-cu12": "8.9.7.29",
}
EXTRA = {"torch": "2.4.0", "torchvision": "0.19.0"}
PROJECT = """\
[project]
name = "mine"
version = "1"
requires-python = ">=3.9"
dependencies = ["pandas", "threadpoolctl"]
"""


PART = make_wheel("part", "7")
HAS_CONDA = available() and MINOR == "3.11"
CONDA = "conda_packages=['scipy==1.13.0', 'numpy'], conda_channels=['./channel', 'nodefaults'], " if HAS_CONDA else ""
"""Conda's Python is made of this machine's own, which needs to be there."""

BACKEND = f"""\
import pathlib, shutil

def build_wheel(folder, config_settings=None, metadata_directory=None):
    shutil.copy(pathlib.Path(__file__).with_name("{PART.filename}"), folder)
    return "{PART.filename}"
"""


@dataclass(frozen=True)
class Case:
    """The spec as it is written, and the lines of a task that return what is to be seen in its image."""

    spec: str
    look: str
    seen: object


CASES = {
    "everything": Case(
        "ImageSpec(name='FLYTEKIT', python_version='3.11', env={'MY_ENV': 'MY_VALUE'}, apt_packages=['curl'], "
        f"{CONDA}packages=['pandas==2.2.1'], requirements=os.fspath(HERE / 'requirements.txt'), "
        "source_root=os.fspath(HERE / 'other_files'), commands=['mkdir my_dir'], entrypoint=SHELL, "
        "pip_index=INDEX, pip_extra_index_url=[EXTRA], source_copy_mode=CopyFileDetection.ALL, "
        "copy=['tmp/copy_file.txt'], "
        "pip_secret_mounts=[('.gitconfig', '/etc/gitconfig'), ('secret_src_2', '/root/.netrc')], "
        "builder_config={'uv_image': 'uv_image_local'})",
        "[version('pandas'), version('threadpoolctl'), os.environ['MY_ENV'], bool(shutil.which('curl')), "
        "open('/root/hello_world.txt').read(), open('/root/tmp/copy_file.txt').read(), os.path.isdir('/root/my_dir'), "
        "os.path.exists('/etc/gitconfig'), HAS('numpy')]",
        ["2.2.1", "3.5.0", "MY_VALUE", True, "hello", "copied", True, False, bool(CONDA)],
    ),
    "null_entrypoint": Case(
        "ImageSpec(name='null-entrypoint', base_image=BASE('refusing'), entrypoint=[])",
        "[os.environ['BASE']]",
        ["kept"],
    ),
    "flytekit": Case(
        "ImageSpec(name='FLYTEKIT-needs', packages=['flytekit>=1.12.3'], pip_index=INDEX)",
        "version('flytekit')",
        "1.13.0",
    ),
    "nothing": Case("ImageSpec(name='FLYTEKIT-bare', python_version='3.11')", "sys.version_info[:2]", [3, 11]),
    "uv_lock": Case(
        "ImageSpec(name='uv-lock', python_version='3.11', requirements=os.fspath(HERE / 'uv' / 'uv.lock'), "
        "pip_index=INDEX, pip_extra_index_url=[EXTRA], pip_extra_args='--no-install-package threadpoolctl')",
        "[version('pandas'), HAS('threadpoolctl')]",
        ["2.2.1", False],
    ),
    "poetry_lock": Case(
        "ImageSpec(name='poetry-lock', python_version='3.11', requirements=os.fspath(HERE / 'poetry' / 'poetry.lock'), "
        "pip_index=INDEX, pip_extra_args='--no-directory')",
        "[version('pandas'), version('threadpoolctl'), HAS('beside')]",
        ["2.2.1", "3.5.0", False],
    ),
    "python_exec": Case(
        "ImageSpec(name='FLYTEKIT-exec', base_image=BASE('usr-local'), python_exec='/usr/local/bin/python', "
        "packages=['pandas'], pip_index=INDEX)",
        "[sys.base_prefix, version('pandas')]",
        ["/usr/local", "2.2.1"],
    ),
    "nested": Case(
        "ImageSpec(name='final', packages=['pandas'], python_version='3.11', pip_index=INDEX, "
        "base_image=ImageSpec(name='base', packages=['torch'], python_version='3.11', pip_index=EXTRA))",
        "[version('pandas'), version('torch')]",
        ["2.2.1", "2.4.0"],
    ),
    "nested_on_an_image": Case(
        "ImageSpec(packages=['pandas'], apt_packages=['demo'], python_version='3.11', pip_index=INDEX, "
        "source_root=os.fspath(HERE / 'other_files'), source_copy_mode='all', copy=['tmp/copy_file.txt'], "
        "base_image=ImageSpec(packages=['numpy'], python_version='3.11', registry='', pip_index=INDEX, "
        "base_image=BASE('theirs'))).with_commands('echo hello > /hello')",
        "[version('numpy'), version('pandas'), bool(shutil.which('demo')), open('/hello').read(), os.environ['BASE'], "
        "open('/root/hello_world.txt').read(), os.path.exists('/root/tmp/copy_file.txt')]",
        ["1.26.4", "2.2.1", True, "hello\n", "kept", "hello", True],
    ),
    "fluent": Case(
        "ImageSpec(name='FLYTEKIT-fluent', packages=['pandas'], apt_packages=['less'], python_version='3.11', "
        "base_image=ImageSpec(name='below', python_version='3.11'), requirements=os.fspath(HERE / 'requirements.txt'), "
        "pip_index=INDEX, entrypoint=SHELL, copy=['src/file1.txt'], "
        "registry_config=os.fspath(HERE / 'registry_config.json'), cuda='12.4.1', cudnn='8')"
        ".with_commands('echo hello').with_packages('numpy').with_apt_packages('curl')"
        ".with_copy(['src', 'src/file2.txt']).force_push()",
        "[[version(name) for name in ('pandas', 'numpy', 'threadpoolctl')], version('nvidia-cuda-runtime-cu12'), "
        "[bool(shutil.which(name)) for name in ('less', 'curl')], sorted(os.listdir('/root/src'))]",
        [["2.2.1", "1.26.4", "3.5.0"], "12.4.127", [True, True], ["file1.txt", "file2.txt"]],
    ),
    "extra_index": Case(
        "ImageSpec(packages=['torch', 'torchvision'], base_image=BASE('theirs'), pip_index=INDEX, "
        "pip_extra_index_url=[EXTRA])",
        "[version('torch'), version('torchvision')]",
        ["2.4.0", "0.19.0"],
    ),
    "git_subfolder": Case(
        "ImageSpec(name='FLYTEKIT-git', python_version='3.11', apt_packages=['git'], pip_index=INDEX, "
        "packages=[f'git+file://{HERE}/repository@master#subdirectory=plugins/part'])",
        "[version('part'), bool(shutil.which('git'))]",
        ["7", True],
    ),
    "runtime_packages": Case(
        "ImageSpec(name='flytekit-dev', pip_index=INDEX).with_runtime_packages(['threadpoolctl'])",
        "version('threadpoolctl')",
        "3.5.0",
    ),
    "custom_tag": Case(
        "ImageSpec(name='my_image', python_version='3.11', tag_format='{spec_hash}-dev')",
        "sys.version_info[:2]",
        [3, 11],
    ),
    "loaded_modules": Case(
        "ImageSpec(name='my_sources', python_version='3.11', source_root=os.fspath(HERE))",
        "[os.path.exists('/root/app.py'), os.path.exists('/root/tmp')]",
        [True, False],
    ),
    "no_copy": Case(
        "ImageSpec(name='no_sources', python_version='3.11', source_copy_mode=CopyFileDetection.NO_COPY, "
        "commands=['ls /root > /listing'])",
        "open('/listing').read()",
        "",
    ),
    "from_env": Case(
        "ImageSpec.from_env(name='from-env', pinned_packages=['click'], packages=['scikit-learn'], pip_index=INDEX)",
        "[version('click'), version('scikit-learn'), list(sys.version_info[:2])]",
        [INSTALLED, "1.5.0", list(sys.version_info[:2])],
    ),
}


if HAS_CONDA:
    CASES["conda"] = Case(
        "ImageSpec(base_image=BASE('theirs'), python_version='3.11', packages=['flytekit'], pip_index=INDEX, "
        "conda_packages=['pytorch', 'cpuonly'], conda_channels=['./channel', 'nodefaults'])",
        "[version('flytekit'), HAS('pytorch'), os.path.exists('/opt/imagewright-conda/conda-meta/cpuonly-2.0-0.json')]",
        ["1.13.0", True, True],
    )


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """Two package indexes: the usual one, and the one of the wheels that are not there."""
    usual, extra = PackageIndex(), PackageIndex()
    usual.add(*(make_wheel(name, number) for name, number in VERSIONS.items()))
    extra.add(*(make_wheel(name, number) for name, number in EXTRA.items()))
    with usual.serve() as index, extra.serve() as other:
        yield {"INDEX": index, "EXTRA": other}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalArchive]:
    """A Debian archive for the base image that is somebody else's."""
    with local_archive(tmp_path_factory.mktemp("archive")) as made:
        yield made


@pytest.fixture(scope="module")
def seen(
    urls: dict[str, str], bases: Bases, archive: LocalArchive, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """What the task of each case saw: all are built by one command, and each runs in a container of its own image."""
    archive.add("demo", files={"usr/bin/demo": "#!/bin/sh\n"})
    archive.publish()
    sources = f"deb [signed-by=/etc/apt/keyrings/local.gpg] {archive.address} stable main\n"
    apt = [file("etc/apt/sources.list", sources.encode()), file("etc/apt/keyrings/local.gpg", archive.key)]
    bases.make("theirs", apt, entrypoint=("/usr/bin/env",), env={"BASE": "kept"})
    bases.make("refusing", [file("etc/refusing")], entrypoint=("/bin/false",), env={"BASE": "kept"})
    bases.make("usr-local", bases.without_python(), bases.moved("usr/local"))
    folder = tmp_path_factory.mktemp("flytekit")
    write_files(folder, urls["INDEX"])
    if HAS_CONDA:
        names = {"scipy": "1.13.0", "numpy": "1.26.4", "pytorch": "2.4.0"}
        made = [
            make_package(
                name, number, {f"lib/python3.11/site-packages/{name}/__init__.py": b""}, depends=["python 3.11.*"]
            )
            for name, number in names.items()
        ]
        cpu_only = make_package("cpuonly", "2.0", {"share/cpuonly": b""})
        write_channel(folder / "channel", [python_package(), *made, cpu_only])
    write_app(folder, urls, bases)
    run = command(cache, folder)

    ran = run("run", "--container", "app.py", "main")

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_spec_of_flytekits_tests_is_built_and_runs(seen: dict[str, object], name: str) -> None:
    """With what it asks for in it."""
    assert seen[name] == CASES[name].seen


def test_an_empty_entrypoint_takes_the_bases_away(
    seen: dict[str, object], cache: Path, tmp_path: Path, bases: Bases
) -> None:
    """And one that is not given leaves it."""
    images = json.loads(command(cache, tmp_path)("image", "list", "--output", "json").stdout)["images"]
    (name,) = [one["name"] for one in images if one["name"].startswith("null-entrypoint:")][-1:]
    shown = json.loads(command(cache, tmp_path)("image", "inspect", name, "--output", "json").stdout)

    (platform,) = shown["platforms"].values()
    assert "Entrypoint" not in platform["config"]["config"]
    assert "BASE=kept" in platform["config"]["config"]["Env"]


@pytest.mark.tool
@pytest.mark.skipif(docker_registry_program() is None, reason="docker-registry is not installed")
def test_the_noop_builder_takes_an_image_that_is_there(imagewright: Run, tmp_path: Path) -> None:
    """It is run as it is; one that is not there is an error, and not built."""
    app = tmp_path / "app.py"
    text = "from imagewright import ImageSpec, task, workflow\n\nimage = {spec}\n"
    task = (
        "\n@task(container_image=image)\ndef look() -> str:\n    import os\n    return os.environ['MADE']\n\n"
        "@workflow\ndef main() -> str:\n    return look()\n"
    )
    with docker_registry(tmp_path) as place:
        app.write_text(text.format(spec=f'ImageSpec("made", registry="{place}/acme", env={{"MADE": "before"}})'))
        built = imagewright("build", "app.py").stdout.strip()
        app.write_text(text.format(spec=f'ImageSpec(builder="noop", base_image="{built}")') + task)

        ran = imagewright("run", "--container", "app.py", "main")

        assert (ran.returncode, ran.stdout) == (0, "before\n"), ran.stderr
        app.write_text(text.format(spec=f'ImageSpec(builder="noop", base_image="{place}/acme/made:nope")') + task)
        absent = imagewright("run", "--container", "app.py", "main")
    assert absent.returncode != 0
    assert "builder='noop' builds nothing" in absent.stderr


def test_an_option_of_another_builder_is_named(imagewright: Run, tmp_path: Path) -> None:
    """flytekit hands builder_options on to any builder; here one that means nothing is no secret."""
    (tmp_path / "app.py").write_text(
        "from imagewright import ImageSpec\nimage = ImageSpec(builder_options={'builder_option': 'value'})\n"
    )

    built = imagewright("build", "app.py")

    assert built.returncode == 3
    assert "the native builder has no option 'builder_option'" in built.stderr


def write_files(folder: Path, index: str) -> None:
    """The files that the specs name."""
    (folder / "requirements.txt").write_text("threadpoolctl\n")
    for path, text in {
        "other_files/hello_world.txt": "hello",
        "tmp/copy_file.txt": "copied",
        "src/file1.txt": "1",
        "src/file2.txt": "2",
        "uv/pyproject.toml": PROJECT,
        "poetry/pyproject.toml": PROJECT,
        ".gitconfig": "[user]\n",
        "secret_src_2": "machine example.com login alice password secret\n",
        "registry_config.json": '{"auths": {}}',
        "repository/plugins/part/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n[project]\nname = "part"\nversion = "7"\n',
        "repository/plugins/part/backend.py": BACKEND,
        "poetry/beside/pyproject.toml": '[project]\nname = "beside"\nversion = "1"\n',
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "repository/plugins/part" / PART.filename).write_bytes(PART.data)
    for arguments in (["init", "-q", "-b", "master"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=folder / "repository", check=True, timeout=60)
    subprocess.run(
        [find_uv_bin(), "lock", "--quiet", "--no-config", f"--default-index={index}", "--no-cache"],
        cwd=folder / "uv",
        env={name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))},
        check=True,
        timeout=60,
    )
    wheels = {name: make_wheel(name, VERSIONS[name]) for name in ("pandas", "threadpoolctl")}
    packages = [
        f'[[package]]\nname = "{name}"\nversion = "{wheel.version}"\ndescription = ""\noptional = false\n'
        f'python-versions = "*"\ngroups = ["main"]\n'
        f'files = [{{file = "{wheel.filename}", hash = "{wheel.digest}"}}]\n'
        for name, wheel in wheels.items()
    ]
    beside = (
        '[[package]]\nname = "beside"\nversion = "1"\ndescription = ""\noptional = false\npython-versions = "*"\n'
        'groups = ["main"]\nfiles = []\ndevelop = false\n\n[package.source]\ntype = "directory"\nurl = "beside"\n'
    )
    known = content_hash(tomllib.loads(PROJECT), with_groups=True)
    metadata = f'[metadata]\nlock-version = "2.1"\npython-versions = ">=3.9"\ncontent-hash = "{known}"\n'
    (folder / "poetry" / "poetry.lock").write_text("\n".join([*packages, beside, metadata]))


def write_app(folder: Path, urls: dict[str, str], bases: Bases) -> None:
    """A file with an image and a task for each case, and a workflow that gathers what they saw."""
    lines = [
        "import json, os, shutil, sys",
        "from pathlib import Path",
        "from imagewright import CopyFileDetection, ImageSpec, task, workflow",
        "",
        "HERE = Path(__file__).parent",
        """SHELL = ["/bin/bash", "-c", 'exec "$0" "$@"']""",
        f"INDEX, EXTRA = {urls['INDEX']!r}, {urls['EXTRA']!r}",
        "",
        "def BASE(tag):",
        f"    return 'oci:{bases.layout.root}:' + tag",
        "",
        "def version(name):",
        "    from importlib.metadata import version",
        "    return version(name)",
        "",
        "def HAS(name):",
        "    from importlib.util import find_spec",
        "    return find_spec(name) is not None",
        "",
    ]
    for name, case in CASES.items():
        lines += [f"{name} = {case.spec}", ""]
        lines += [
            f"@task(container_image={name})",
            f"def look_{name}() -> str:",
            f"    return json.dumps({case.look})",
            "",
        ]
    arguments = ", ".join(f"{name}: str" for name in CASES)
    lines += [
        "@task",
        f"def gathered({arguments}) -> str:",
        "    return json.dumps({name: json.loads(text) for name, text in locals().items()})",
        "",
        "@workflow",
        "def main() -> str:",
        f"    return gathered({', '.join(f'{name}=look_{name}()' for name in CASES)})",
    ]
    (folder / "app.py").write_text("\n".join(lines) + "\n")
