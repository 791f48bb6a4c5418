"""An ImageSpec is checked at once, never changes, and knows where it was written."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from imagewright.errors import BuildError, SpecError
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.spec.copy_mode import CopyFileDetection

# The dataclass of flytekit 1.16.31, in its order; install_project is Union's.
FLYTEKIT_FIELDS = [
    "name",
    "python_version",
    "builder",
    "source_root",
    "env",
    "registry",
    "packages",
    "conda_packages",
    "conda_channels",
    "requirements",
    "apt_packages",
    "cuda",
    "cudnn",
    "base_image",
    "platform",
    "pip_index",
    "pip_extra_index_url",
    "pip_secret_mounts",
    "pip_extra_args",
    "registry_config",
    "entrypoint",
    "commands",
    "tag_format",
    "source_copy_mode",
    "copy",
    "python_exec",
    "runtime_packages",
    "builder_options",
    "builder_config",
    "install_project",
]


def test_fields_come_in_flytekits_order() -> None:
    """A spec that was written for flytekit with positional arguments means the same here."""
    names = [field.name for field in dataclasses.fields(ImageSpec)]

    assert names[: len(FLYTEKIT_FIELDS)] == FLYTEKIT_FIELDS
    assert ImageSpec("a", "3.12", "native", None, {"A": "1"}, "ghcr.io/b").registry == "ghcr.io/b"


def test_none_is_the_default_of_every_field() -> None:
    """flytekit's default None may be given for any field but the name, and means that nothing was said."""
    nothing: dict[str, Any] = dict.fromkeys(FLYTEKIT_FIELDS[1:])

    assert ImageSpec(**nothing) == ImageSpec()
    assert ImageSpec(**nothing).digest == ImageSpec().digest


class Theirs(Enum):
    """flytekit.constants.CopyFileDetection, which need not be installed."""

    LOADED_MODULES = 1
    ALL = 2
    NO_COPY = 3


def test_every_argument_of_flytekit_is_taken(tmp_path: Path) -> None:
    """Each field takes what flytekit takes, and keeps it as a value that cannot change."""
    (tmp_path / "requirements.txt").write_text("numpy\n")

    spec = ImageSpec(
        name="Demo",
        python_version="3.12",
        builder="envd",
        source_root=str(tmp_path),
        env={"B": "x y", "A": ""},
        registry="GHCR.io/Acme",
        packages=["numpy", "pandas>=2"],
        conda_packages=["pytorch"],
        conda_channels=["pytorch", "conda-forge"],
        requirements=tmp_path / "requirements.txt",
        apt_packages=["git", "curl wget"],
        cuda="12.1",
        cudnn="8",
        base_image="python:3.11-slim",
        platform="linux/arm64,linux/amd64",
        pip_index="https://example.com/simple",
        pip_extra_index_url=["https://example.com/more"],
        pip_secret_mounts=[(".netrc", "/root/.netrc")],
        pip_extra_args="--pre",
        registry_config="registries.json",
        entrypoint=[],
        commands=["make install"],
        tag_format="{spec_hash}-dev",
        source_copy_mode=Theirs.ALL,
        copy=["data/a.csv"],
        python_exec="/usr/bin/python3",
        runtime_packages=["pip"],
        builder_options={"a": [1, {"b": 2.5}]},
        builder_config={"uv_image": "example.com/uv"},
        install_project=True,
        directory=tmp_path,
    )

    assert (spec.name, spec.registry) == ("demo", "ghcr.io/acme")
    assert spec.packages == ("numpy", "pandas>=2")
    assert spec.apt_packages == ("git", "curl", "wget")
    assert dict(spec.env) == {"A": "", "B": "x y"}
    assert spec.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))
    assert spec.source_copy_mode is CopyFileDetection.ALL
    assert spec.entrypoint == ()
    assert spec.builder_options["a"][1]["b"] == 2.5
    assert spec.pip_secret_mounts == ((".netrc", "/root/.netrc"),)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "what", "fix"),
    [
        ({"packages": "numpy"}, "packages='numpy' is one string, not a list", "packages=['numpy']"),
        ({"commands": "ls"}, "commands='ls' is one string", "commands=['ls']"),
        ({"entrypoint": "sh"}, "entrypoint='sh' is one string", "entrypoint=['sh']"),
        ({"pip_extra_index_url": "https://u:p@e.com"}, "'https://***@e.com' is one string", "['https://***@e.com']"),
        ({"conda_channels": {"a"}}, "is a set, not a list", "conda_channels="),
        ({"packages": ["a", 1]}, "holds 1, which is not a string", 'packages=["1"]'),
        ({"packages": ["a", " "]}, "holds ' ', which says nothing", "out of packages"),
        ({"packages": ["-r requirements.txt"]}, "an option of pip", 'requirements="requirements.txt"'),
        ({"packages": ["a\nb"]}, "several lines in one string", "packages=['a', 'b']"),
        ({"apt_packages": ["git; reboot"]}, "'git;', which is not a Debian package", 'apt_packages=["git"]'),
        ({"name": ""}, "name='' says nothing", "leave name out"),
        ({"name": "my image!"}, "cannot name an image", 'name="my-image"'),
        ({"python_version": 3.1}, "python_version=3.1 is a number", "in quotes"),
        ({"python_version": ">=3.9"}, "is not a version of Python 3", '"3.11"'),
        ({"python_version": "2.7"}, "is not a version of Python 3", '"3.11"'),
        ({"env": {"A": 1}}, "env['A']=1 is not a string", 'env={"A": "1"}'),
        ({"env": {"A=B": "1"}}, "not a variable's name", "env="),
        ({"env": ["A=1"]}, "is a list, not a dict", "env="),
        ({"registry": "ghcr.io/a b"}, "is not a registry", "localhost:30000"),
        ({"registry": "https://me:secret@ghcr.io"}, "https://***@ghcr.io", "localhost:30000"),
        ({"registry": "http://ghcr.io/acme"}, "plain http", "--insecure-registry"),
        ({"requirements": "missing.txt"}, "needs the file missing.txt", "write it"),
        ({"requirements": "uv.lock", "packages": ["a"]}, "cannot be added to uv.lock", "pyproject.toml"),
        ({"base_image": "Debian"}, "is not an image", "python:3.11-slim"),
        ({"base_image": 3}, "is a int, not a string", '"3"'),
        ({"platform": "amd64"}, "is not understood", "linux/amd64"),
        ({"pip_secret_mounts": [("a",)]}, "not a pair of strings", "pip_secret_mounts="),
        ({"pip_secret_mounts": "a"}, "not a list of pairs", "pip_secret_mounts="),
        ({"tag_format": "v1"}, "leaves the digest out", '"{spec_hash}-v1"'),
        ({"tag_format": "{hash}"}, "makes no tag", '"{spec_hash}-dev"'),
        ({"tag_format": "{spec_hash}/x"}, "makes no tag", '"{spec_hash}-dev"'),
        ({"source_copy_mode": "some"}, "not a way to copy", '"auto"'),
        ({"copy": ["../secret"]}, "not below the folder", 'copy=["secret"]'),
        ({"copy": ["/etc/passwd"]}, "not below the folder", 'copy=["passwd"]'),
        ({"builder_options": [1]}, "is a list, not a dict", "builder_options="),
        ({"builder_config": {"a": object()}}, "is a object", "strings, numbers"),
        ({"compile_bytecode": 1}, "neither True nor False", "compile_bytecode=True"),
        ({"install_project": "yes"}, "neither True nor False", "install_project=True"),
        ({"apt_snapshot": "2026-13-01"}, "is no day and no time in UTC", 'apt_snapshot="2026-05-20"'),
        ({"apt_snapshot": "yesterday"}, "is no day and no time in UTC", '"20260520T120000Z"'),
        ({"cuda": 12}, "is a int, not a string", 'cuda="12"'),
    ],
)
def test_a_bad_value_is_refused_at_once(values: dict[str, Any], what: str, fix: str) -> None:
    """The error names the field and the value, says what to write instead, and is a ValueError, as flytekit's is."""
    with pytest.raises(SpecError) as caught:
        ImageSpec(**values)

    error = caught.value
    assert isinstance(error, ValueError)
    assert what in error.what
    assert fix in " ".join(error.fix)
    assert error.code == "IW102"
    assert "secret@" not in str(error)


def test_an_error_points_at_the_value_in_the_users_file() -> None:
    """The place is the line of the call on which the bad value stands, with the value under the caret."""
    with pytest.raises(SpecError) as caught:
        ImageSpec(
            name="demo",
            apt_packages=["git", "Make"],
            packages=["numpy"],
        )

    where = caught.value.where
    assert where is not None
    assert (where.file, where.text, where.part) == (__file__, 'apt_packages=["git", "Make"],', "Make")


def test_where_is_the_call_and_where_of_its_parts() -> None:
    """A spec knows its file and line, and finds the line of any part of its declaration."""
    spec = ImageSpec(
        name="demo",
        packages=["numpyy"],
    )

    assert spec.where.text == "spec = ImageSpec("
    assert spec.where_of("numpyy").line == spec.where.line + 2
    assert spec.where_of("numpyy").part == "numpyy"
    assert spec.where_of("absent") == spec.where
    assert spec.directory == Path(__file__).parent


def test_fluent_methods_make_new_specs() -> None:
    """Each adds to what is there, takes a string or a list, and leaves the old spec as it was."""
    spec = ImageSpec(packages=["a"], env={"A": "1"}, builder_options={"x": 1})

    more = (
        spec.with_packages("b")
        .with_packages(["c"])
        .with_apt_packages("git")
        .with_commands(["ls", "ls"])
        .with_copy("data")
        .with_env({"A": "2", "B": "3"})
        .with_runtime_packages(["r"])
        .with_builder_options({"y": 2})
    )

    assert spec == ImageSpec(packages=["a"], env={"A": "1"}, builder_options={"x": 1})
    assert more == ImageSpec(
        packages=["a", "b", "c"],
        apt_packages=["git"],
        commands=["ls", "ls"],
        copy=["data"],
        env={"A": "2", "B": "3"},
        runtime_packages=["r"],
        builder_options={"x": 1, "y": 2},
    )


@pytest.mark.parametrize(
    "change", [lambda s: s.with_packages(3), lambda s: s.with_copy(["/x"]), lambda s: s.with_env({"A": 1})]
)
def test_a_fluent_method_checks_what_it_is_given(change: Callable[[ImageSpec], ImageSpec]) -> None:
    """A bad value is refused where it is added, at that line."""
    with pytest.raises(SpecError) as caught:
        change(ImageSpec())

    assert caught.value.where is not None
    assert caught.value.where.file == __file__


def test_relative_paths_stay_with_the_file_that_declared_them(tmp_path: Path) -> None:
    """A spec that is extended in another file still finds its requirements beside the first."""
    (tmp_path / "requirements.txt").write_text("numpy\n")
    spec = ImageSpec(requirements="requirements.txt", directory=tmp_path)

    assert spec.with_packages("a").directory == tmp_path
    assert dataclasses.replace(spec, packages=("a",)).directory == tmp_path


def test_force_push_is_a_copy_with_the_flag() -> None:
    """Forcing changes neither the spec nor what the image is."""
    spec = ImageSpec(packages=["a"])

    forced = spec.force_push()

    assert (spec.forced, forced.forced) == (False, True)
    assert forced == spec
    assert forced.digest == spec.digest
    assert forced.with_packages("b").forced


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        (None, ""),
        ("", ""),
        ("local", ""),
        ("localhost:30000", "localhost:30000"),
        ("https://ghcr.io/Acme/", "ghcr.io"),
        ("http://localhost:5000", "localhost:5000"),
        ("acme", "docker.io"),
    ],
)
def test_reference(registry: str | None, name: str) -> None:
    """The reference is what Docker's tools would read from registry/name:tag; a scheme before it is stripped."""
    spec = ImageSpec(name="demo", registry=registry)

    assert spec.reference.registry == name
    assert spec.reference.repository.endswith("demo")
    assert spec.reference == Reference(name, spec.reference.repository, spec.tag)


def test_tag_format_is_filled_in() -> None:
    """The tag is 32 hex digits of the digest, within the format."""
    assert ImageSpec().tag == ImageSpec().digest.partition(":")[2][:32]
    assert ImageSpec(tag_format="v1-{spec_hash}").tag == f"v1-{ImageSpec().tag}"


def test_python_is_the_version_that_is_meant() -> None:
    """Unset, it is the default base's, or that of a base spec; an image that is only named decides for itself."""
    assert ImageSpec().python == "3.11"
    assert ImageSpec(python_version="3.13").python == "3.13"
    assert ImageSpec(base_image=ImageSpec(python_version="3.9")).python == "3.9"
    assert ImageSpec(base_image="python:3.12").python == ""


def test_is_container_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of any container the local environment stands in for every image."""
    monkeypatch.delenv("IMAGEWRIGHT_IMAGE", raising=False)

    assert ImageSpec(packages=["numpy"]).is_container()


def test_is_container_in_a_task_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container it is true for the spec that the container was made from and for no other."""
    spec = ImageSpec(packages=["numpy"], registry="ghcr.io/acme", builder="docker")
    monkeypatch.setenv("IMAGEWRIGHT_IMAGE", spec.declared)

    assert spec.is_container()
    assert ImageSpec(packages=["NumPy"]).is_container()
    assert not ImageSpec(packages=["pandas"]).is_container()


def test_is_container_while_a_file_is_read_for_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose images are only to be built need not have their packages."""
    monkeypatch.setenv("IMAGEWRIGHT_IMAGE", "none")

    assert not ImageSpec().is_container()
    with pytest.raises(SpecError):
        ImageSpec(requirements="missing.txt")


def test_a_task_container_needs_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`declared` is the same without the files, and where the folder has another name, so is_container is right there."""
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "pyproject.toml").write_text("")
    names: dict[str, Any] = {"copy": ["data"], "source_root": "src"}
    on_laptop = [
        ImageSpec(
            requirements=name,
            base_image=ImageSpec(requirements="pyproject.toml", directory=tmp_path),
            **names,
            directory=tmp_path,
        )
        for name in ("requirements.txt", tmp_path / "requirements.txt")
    ]

    monkeypatch.setenv("IMAGEWRIGHT_IMAGE", on_laptop[0].declared)
    root = Path("/root")
    in_container = [
        ImageSpec(
            requirements=name,
            base_image=ImageSpec(requirements="pyproject.toml", directory=root),
            **names,
            directory=root,
        )
        for name in ("requirements.txt", root / "requirements.txt")
    ]

    assert [spec.declared for spec in in_container] == [spec.declared for spec in on_laptop]
    assert in_container[0].is_container()


def test_from_env_pins_what_is_installed() -> None:
    """The versions and the Python of this environment, after the packages that are given."""
    from importlib.metadata import version
    from sys import version_info

    spec = ImageSpec.from_env(pinned_packages=["pytest"], packages=["pandas"], name="demo")

    assert spec.packages == ("pandas", f"pytest=={version('pytest')}")
    assert spec.python_version == f"{version_info[0]}.{version_info[1]}"
    assert spec.where.file == __file__


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"python_version": "3.9"}, "cannot be given to from_env"),
        ({"pinned_packages": ["no-such-package"]}, "not installed in this environment"),
        ({"pinned_packages": "pytest"}, "is one string"),
    ],
)
def test_from_env_refuses(values: dict[str, Any], what: str) -> None:
    """What cannot be taken from the environment is an error that says so."""
    with pytest.raises(SpecError, match=what):
        ImageSpec.from_env(**values)


def test_from_env_in_another_images_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that only another image has does not stop the file from loading; the spec is then not this container's."""
    monkeypatch.setenv("IMAGEWRIGHT_IMAGE", ImageSpec().declared)

    assert not ImageSpec.from_env(pinned_packages=["no-such-package"]).is_container()


def test_repr_says_what_was_written() -> None:
    """Only what differs from the defaults is shown."""
    assert repr(ImageSpec(name="demo", packages=["a"])) == "ImageSpec(name='demo', packages=('a',))"


def test_passwords_are_shown_nowhere() -> None:
    """Neither the text of a spec nor the line that it points at holds the login of an index."""
    spec = ImageSpec(pip_index="https://me:secret@example.com/simple", pip_extra_args="--extra-index-url https://a:b@c")

    shown = f"{spec!r} {spec.where} {spec.where_of('https://me:secret@example.com/simple')}"

    assert "secret" not in shown
    assert "a:b@" not in shown
    assert "https://***@example.com/simple" in shown
    assert spec.pip_index == "https://me:secret@example.com/simple"


def test_a_file_that_changes_during_the_build_is_noticed(tmp_path: Path) -> None:
    """The digest is made once; check_unchanged says which file is no longer what it was."""
    (tmp_path / "data.csv").write_text("1")
    spec = ImageSpec(copy=["data.csv"], directory=tmp_path)
    digest = spec.digest
    spec.check_unchanged()

    (tmp_path / "data.csv").write_text("2")

    assert spec.digest == digest
    with pytest.raises(BuildError) as caught:
        spec.check_unchanged()
    assert caught.value.why == ("data.csv changed",)
