"""The digest of a spec is the same for the same image everywhere, and another for any other."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagewright.spec import ImageSpec

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6)
LISTS = st.lists(NAMES, max_size=5)
SRC = Path(__file__).parents[2] / "src"


class Golden(Protocol):
    def __call__(self, name: str, text: str, /) -> None: ...


def shuffled(data: st.DataObject, items: Any) -> Any:
    return data.draw(st.permutations(list(items)))


@given(LISTS, LISTS, LISTS, st.dictionaries(NAMES, NAMES, max_size=4), st.data())
def test_order_without_meaning_does_not_matter(
    packages: list[str], apt: list[str], conda: list[str], env: dict[str, str], data: st.DataObject
) -> None:
    """Packages, apt packages, conda packages, env and platforms may come in any order, and twice."""
    spec = ImageSpec(
        packages=packages, apt_packages=apt, conda_packages=conda, env=env, platform="linux/amd64,linux/arm64"
    )

    other = ImageSpec(
        packages=shuffled(data, packages + packages[:1]),
        apt_packages=shuffled(data, apt + apt[:1]),
        conda_packages=shuffled(data, conda),
        env=dict(shuffled(data, env.items())),
        platform="linux/aarch64,linux/x86_64",
    )

    assert other.digest == spec.digest
    assert other.declared == spec.declared


@pytest.mark.parametrize("field", ["commands", "conda_channels", "pip_extra_index_url", "entrypoint"])
def test_order_with_meaning_matters(field: str) -> None:
    """Commands, channels, indexes and the entrypoint's words are used in their order."""
    one: dict[str, Any] = {field: ["a", "b"]}
    two: dict[str, Any] = {field: ["b", "a"]}

    assert ImageSpec(**one).digest != ImageSpec(**two).digest


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"packages": ["NumPy"]}, {"packages": ["numpy"]}),
        ({"packages": ["scikit_learn"]}, {"packages": ["scikit.learn", "Scikit--Learn"]}),
        ({"packages": ["a>=1,<2"]}, {"packages": [" A < 2, >= 1 "]}),
        ({"packages": ["a[x,Y]"]}, {"packages": ["a [y, X]"]}),
        ({"packages": ["a ; python_version<'3.12'"]}, {"packages": ['a;python_version < "3.12"']}),
        ({"packages": ["a @ https://example.com/a.whl"]}, {"packages": ["A@ https://u:p@example.com/a.whl"]}),
        ({"pip_index": "https://example.com/simple"}, {"pip_index": "https://me:secret@example.com/simple/"}),
        ({"pip_extra_args": "--pre"}, {"pip_extra_args": "  --pre "}),
        ({"base_image": "python:3.11"}, {"base_image": "docker.io/library/python:3.11"}),
        ({"python_version": "3.11"}, {}),
        ({"platform": "linux/amd64"}, {}),
        ({"env": {}}, {"packages": []}),
    ],
)
def test_spelling_does_not_matter(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Two ways to write the same thing are the same image."""
    assert ImageSpec(**one).digest == ImageSpec(**two).digest


@pytest.mark.parametrize(
    "where_and_who",
    [
        {"name": "other"},
        {"registry": "localhost:30000"},
        {"builder": "docker"},
        {"pip_secret_mounts": [("a", "/b")]},
        {"registry_config": "a.json"},
        {"tag_format": "x-{spec_hash}"},
        {"runtime_packages": ["a"]},
    ],
)
def test_where_and_who_do_not_matter(where_and_who: dict[str, Any]) -> None:
    """Names, registries, builders and secrets are not what an image is."""
    assert ImageSpec(**where_and_who).digest == ImageSpec().digest


CONTENT: list[dict[str, Any]] = [
    {},
    {"python_version": "3.12"},
    {"python_version": "3.11.7"},
    {"platform": "linux/arm64"},
    {"platform": "linux/amd64,linux/arm64"},
    {"env": {"A": "b c"}},
    {"env": {"A": "b", "c": ""}},
    {"packages": ["git"]},
    {"apt_packages": ["git"]},
    {"conda_packages": ["git"]},
    {"commands": ["git"]},
    {"entrypoint": ["git"]},
    {"entrypoint": []},
    {"conda_channels": ["git"]},
    {"packages": ["py", "torch"]},
    {"packages": ["pytorch"]},
    {"packages": ["ab", "c"]},
    {"packages": ["a", "bc"]},
    {"apt_packages": ["ab", "c"]},
    {"commands": ["ab", "c"]},
    {"commands": ["a", "bc"]},
    {"commands": ["a, bc"]},
    {"commands": ["a', 'bc"]},
    {"commands": ["ls  -l"]},
    {"commands": ["ls -l"]},
    {"packages": ["a==1"]},
    {"packages": ["a==1.0"]},
    {"packages": ["a>1"]},
    {"packages": ["a[x]"]},
    {"packages": ["a ; os_name == 'nt'"]},
    {"packages": ["a @ https://example.com/a.whl"]},
    {"cuda": "12"},
    {"cudnn": "12"},
    {"base_image": "python:3.11"},
    {"base_image": "python:3.12"},
    {"base_image": ImageSpec()},
    {"base_image": ImageSpec(packages=["git"])},
    {"pip_index": "https://example.com/simple"},
    {"pip_extra_index_url": ["https://example.com/simple"]},
    {"pip_extra_args": "--pre"},
    {"python_exec": "/usr/bin/python3"},
    {"builder_options": {"a": 1}},
    {"builder_options": {"a": "1"}},
    {"builder_options": {"a": 1.0}},
    {"builder_config": {"a": 1}},
    {"install_project": True},
    {"labels": {"a": "b"}},
    {"annotations": {"a": "b"}},
    {"user": "git"},
    {"workdir": "/git"},
    {"apt_snapshot": "2026-05-20"},
    {"compile_bytecode": True},
]


def test_any_other_content_is_another_image() -> None:
    """No two of these are one image, however close they are as text."""
    digests = [ImageSpec(**fields).digest for fields in CONTENT]
    declared = [ImageSpec(**fields).declared for fields in CONTENT]

    assert len(set(digests)) == len(CONTENT)
    assert len(set(declared)) == len(CONTENT)


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_lists_are_framed(one: list[str], two: list[str]) -> None:
    """Two lists of packages or commands are the same image only when they are the same set, or the same list."""
    assert (ImageSpec(packages=one).digest == ImageSpec(packages=two).digest) == (set(one) == set(two))
    assert (ImageSpec(commands=one).digest == ImageSpec(commands=two).digest) == (one == two)


def project(folder: Path) -> Path:
    """A folder with one of everything that a spec can name."""
    files = {
        "requirements.txt": "-r more/base.txt\n-c constraints.txt\nnumpy\n./dist/a-1-py3-none-any.whl\n",
        "more/base.txt": "pandas\n",
        "constraints.txt": "pandas<3\n",
        "dist/a-1-py3-none-any.whl": "wheel",
        "data/a.csv": "1,2",
        "data/deep/run.sh": "#!/bin/sh\n",
        "src/app.py": "import lib\n",
        "src/lib.py": "X = 1\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "data/link").symlink_to("a.csv")
    return folder


def spec_of(folder: Path) -> ImageSpec:
    return ImageSpec(
        requirements="requirements.txt", copy=["data"], source_root="src", source_copy_mode="all", directory=folder
    )


def test_the_folder_does_not_matter(tmp_path: Path) -> None:
    """The same project in another folder, with other times and a stray cache, is the same image."""
    here, there = project(tmp_path / "a"), project(tmp_path / "b" / "ü")
    os.utime(there / "data/a.csv", (1, 1))
    (there / "data/a.csv").chmod(0o600)
    (there / "src/__pycache__").mkdir()
    (there / "src/__pycache__/lib.cpython-311.pyc").write_bytes(b"x")

    assert spec_of(there).digest == spec_of(here).digest


def rewrite(name: str, text: str) -> Any:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    "change",
    [
        rewrite("requirements.txt", "numpy\n"),
        rewrite("more/base.txt", "pandas>1\n"),
        rewrite("constraints.txt", "pandas<2\n"),
        rewrite("dist/a-1-py3-none-any.whl", "another wheel"),
        rewrite("data/a.csv", "1,3"),
        rewrite("src/lib.py", "X = 2\n"),
        rewrite("src/new.py", ""),
        lambda folder: (folder / "data/a.csv").rename(folder / "data/b.csv"),
        lambda folder: (folder / "data/deep/run.sh").chmod(0o755),
        lambda folder: (folder / "src/lib.py").unlink(),
        lambda folder: ((folder / "data/link").unlink(), (folder / "data/link").symlink_to("deep/run.sh")),
        lambda folder: ((folder / "data/link").unlink(), (folder / "data/link").write_text("1,2")),
    ],
)
def test_the_contents_of_named_files_matter(tmp_path: Path, change: Any) -> None:
    """A byte, a name, the executable bit or a link's target in any named file makes another image."""
    before = spec_of(project(tmp_path)).digest

    change(tmp_path)

    assert spec_of(tmp_path).digest != before


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock"])
def test_the_project_beside_a_lock_matters(tmp_path: Path, lock: str) -> None:
    """The pyproject.toml that a lock was made for is read with it."""
    (tmp_path / lock).write_text("lock")
    (tmp_path / "pyproject.toml").write_text("a")
    before = ImageSpec(requirements=lock, directory=tmp_path).digest

    (tmp_path / "pyproject.toml").write_text("b")

    assert ImageSpec(requirements=lock, directory=tmp_path).digest != before


def test_a_wheel_named_by_its_path_matters(tmp_path: Path) -> None:
    """The bytes of a local wheel are content, and its absence an error that names it."""
    (tmp_path / "a.whl").write_text("1")
    before = ImageSpec(packages=["./a.whl"], directory=tmp_path).digest

    (tmp_path / "a.whl").write_text("2")

    assert ImageSpec(packages=["./a.whl"], directory=tmp_path).digest != before
    (tmp_path / "a.whl").unlink()
    with pytest.raises(ValueError, match=r"a\.whl"):
        _ = ImageSpec(packages=["./a.whl"], directory=tmp_path).digest


@pytest.mark.parametrize("flag", ["-c {}", "-c{}", "--constraint {}", "--override={}", "-q --overrides {} --pre"])
def test_constraints_and_overrides_of_pip_extra_args_matter(tmp_path: Path, flag: str) -> None:
    """What they take in as well; a file that is not there is not asked for here, nor is one of the network."""
    (tmp_path / "more.txt").write_text("numpy<2\n")
    (tmp_path / "limits.txt").write_text("-c more.txt\nsix<2\n")

    def spec(file: str = "limits.txt") -> ImageSpec:
        return ImageSpec(pip_extra_args=flag.format(file), directory=tmp_path)

    seen = {(spec().digest, spec().required)}
    for name in ("limits.txt", "more.txt"):
        with (tmp_path / name).open("a") as file:
            file.write("idna<4\n")
        seen.add((spec().digest, spec().required))
    (tmp_path / "more.txt").unlink()
    (tmp_path / "limits.txt").unlink()

    assert len({digest for digest, _ in seen}) == len({required for _, required in seen}) == 3
    assert spec().digest not in {digest for digest, _ in seen}
    assert spec("https://example.com/limits.txt").digest == spec("https://example.com/limits.txt").digest


def test_a_base_spec_counts_by_what_it_is(tmp_path: Path) -> None:
    """A base spec's files are content of what stands on it; its name and registry are not."""
    (tmp_path / "data").write_text("1")
    base = ImageSpec(copy=["data"], directory=tmp_path)
    before = ImageSpec(base_image=base).digest

    assert (
        ImageSpec(base_image=ImageSpec(name="b", registry="ghcr.io", copy=["data"], directory=tmp_path)).digest
        == before
    )
    (tmp_path / "data").write_text("2")
    assert ImageSpec(base_image=ImageSpec(copy=["data"], directory=tmp_path)).digest != before


PROGRAM = """
import sys
from pathlib import Path
from imagewright.spec import ImageSpec
spec = ImageSpec(packages={packages}, env={{"B": "ä", "A": "1"}}, requirements="requirements.txt", copy=["data"],
                 source_root="src", source_copy_mode="all", directory=Path(sys.argv[1]))
print(spec.digest, spec.declared)
"""


@pytest.mark.parametrize("locale", ["C", "de_DE.ISO-8859-1", "tr_TR.UTF-8"])
def test_the_process_does_not_matter(tmp_path: Path, locale: str) -> None:
    """Current folder, locale, hash seed, umask, time zone and home do not reach the digest."""
    folder = project(tmp_path / "project")
    (folder / "data/ä.csv").write_text("ü", encoding="utf-8")
    answers = set()
    for seed in ("0", "1", "31337"):
        home = tmp_path / f"home{seed}"
        home.mkdir()
        program = home / "program.py"
        source = PROGRAM.format(packages=["NumPy>=1, <2", "pandas"] if seed == "0" else ["pandas", "numpy<2,>=1"])
        program.write_text(source, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-X", "utf8=0", str(program), str(folder)],
            env={
                "PYTHONPATH": str(SRC),
                "PYTHONHASHSEED": seed,
                "LC_ALL": locale,
                "TZ": f"Etc/GMT+{seed[-1]}",
                "HOME": str(home),
                "PYTHONCOERCECLOCALE": "0",
            },
            cwd=home,
            umask=0o77 if seed == "1" else 0o22,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.add(done.stdout)

    here = ImageSpec(
        packages=["pandas", "numpy>=1,<2"],
        env={"A": "1", "B": "ä"},
        requirements="requirements.txt",
        copy=["data"],
        source_root="src",
        source_copy_mode="all",
        directory=folder,
    )
    assert answers == {f"{here.digest} {here.declared}\n"}


def test_golden_digests(golden: Golden, tmp_path: Path) -> None:
    """Digests of released specs never change by accident: every image that exists would be built again."""
    cases = {
        json.dumps(fields, sort_keys=True): ImageSpec(**fields) for fields in CONTENT if "base_image" not in fields
    }
    cases["base_image=ImageSpec(packages=['git'])"] = ImageSpec(base_image=ImageSpec(packages=["git"]))
    cases["base_image=python:3.11"] = ImageSpec(base_image="python:3.11")
    cases["a project's files"] = spec_of(project(tmp_path))

    lines = {name: {"digest": spec.digest, "declared": spec.declared} for name, spec in cases.items()}

    golden("spec/digests.json", json.dumps(lines, indent=1, sort_keys=True) + "\n")


@settings(max_examples=30)
@given(st.binary(max_size=50), st.binary(max_size=50))
def test_equal_bytes_equal_images(tmp_path_factory: pytest.TempPathFactory, one: bytes, two: bytes) -> None:
    """Two copied files make the same image exactly when their bytes are equal."""
    folders = [tmp_path_factory.mktemp("copy") for _ in (one, two)]
    for folder, data in zip(folders, (one, two), strict=True):
        (folder / "a").write_bytes(data)

    digests = [ImageSpec(copy=["a"], directory=folder).digest for folder in folders]

    assert (digests[0] == digests[1]) == (one == two)
    for folder in folders:
        shutil.rmtree(folder)
