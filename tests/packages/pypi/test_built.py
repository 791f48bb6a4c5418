"""What has no wheel is built when a lock is made: which things, in what order, and what is refused. Nothing is run."""

from pathlib import Path
from typing import Any

import pytest

from imagewright.errors import IntegrityError, LockError, Where
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock import Pin, read_package, write_lock
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.pypi.source import Source
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import MadeFile, make_sdist, make_wheel


class FakeBuilder:
    """Answers with wheels that were made before, and remembers what it was asked for."""

    def __init__(self, folder: Path, **wheels: MadeFile) -> None:
        self._folder, self._wheels = folder, wheels
        self.asked: list[Source] = []

    def build(self, source: Source, where: Where | None = None) -> LockedWheel:
        self.asked.append(source)
        made = self._wheels[source.name or Path(source.url).name]
        file = InputFile(f"built:{made.filename}", made.digest, len(made.data))
        (self._folder / made.filename).write_bytes(made.data)
        return LockedWheel(made.name, made.version, file, source.called(made.name, made.version))

    def path(self, wheel: LockedWheel) -> Path:
        return self._folder / wheel.filename


def names(wheels: tuple[LockedWheel, ...]) -> list[str]:
    return [f"{wheel.name} {wheel.version}{' built' if wheel.source else ''}" for wheel in wheels]


def sdist(name: str, version: str) -> MadeFile:
    return make_sdist(name, version)


def test_a_package_without_a_wheel_is_built(
    index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin
) -> None:
    """Its sdist, by digest; what its wheel needs is resolved, and built in turn."""
    index.add(sdist("old", "1"), sdist("older", "2"), make_wheel("dep", "1"))
    made = make_wheel("old", "1", requires=["dep", "older<3"])
    builder = FakeBuilder(tmp_path, old=made, older=make_wheel("older", "2"))

    found = resolve(Request(("old",), target, index_url=index.url), uv=uv, pin=pin, builder=builder)

    assert names(found.wheels) == ["dep 1", "old 1 built", "older 2 built"]
    assert [(source.name, source.digest) for source in builder.asked] == [
        ("old", index.files[0].digest),
        ("older", index.files[1].digest),
    ]


def test_wheels_are_preferred(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin) -> None:
    """An older version with a wheel is taken before a newer one without; a pin gets what it says."""
    index.add(make_wheel("demo", "1"), sdist("demo", "2"))
    builder = FakeBuilder(tmp_path, demo=make_wheel("demo", "2"))

    any_version = resolve(Request(("demo",), target, index_url=index.url), uv=uv, pin=pin, builder=builder)
    pinned = resolve(Request(("demo==2",), target, index_url=index.url), uv=uv, pin=pin, builder=builder)

    assert names(any_version.wheels) == ["demo 1"]
    assert names(pinned.wheels) == ["demo 2 built"]


def test_the_version_that_fits_is_built(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin) -> None:
    """The newest one that what asks for it lets in, not the newest of all."""
    index.add(sdist("old", "1"), sdist("old", "2"), make_wheel("asks", "1", requires=["old<2"]))
    builder = FakeBuilder(tmp_path, old=make_wheel("old", "1"))

    found = resolve(Request(("asks",), target, index_url=index.url), uv=uv, pin=pin, builder=builder)

    assert names(found.wheels) == ["asks 1", "old 1 built"]
    assert [source.version for source in builder.asked] == ["1"]


@pytest.mark.parametrize("args", ["--only-binary :all:", "--no-build", "--only-binary old"])
def test_wheels_alone(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin, args: str) -> None:
    """As pip's and uv's flags have it; nothing is built then."""
    index.add(sdist("old", "1"))
    builder = FakeBuilder(tmp_path)

    with pytest.raises(LockError, match="old 1 has no wheel") as caught:
        resolve(Request(("old",), target, index_url=index.url, extra_args=args), uv=uv, pin=pin, builder=builder)

    assert caught.value.code == "IW203"
    assert "--only-binary in pip_extra_args allows wheels only" in caught.value.why
    assert builder.asked == []


def test_who_forbids_is_named(index: PackageIndex, uv: Uv, target: Target, pin: Pin, tmp_path: Path) -> None:
    """With what to take out, for sdists of an index and for folders."""
    index.add(sdist("old", "1"))
    (tmp_path / "pkg").mkdir()
    by = 'builder_options={"only_binary": True}'

    for requirement in ("old", "./pkg"):
        with pytest.raises(LockError) as caught:
            resolve(
                Request((requirement,), target, directory=tmp_path, index_url=index.url),
                uv=uv,
                pin=pin,
                forbidden_by=by,
            )

        assert by in f"{caught.value}"


def test_sources_in_packages_and_files(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin) -> None:
    """Folders and repositories, with extras, in ``packages`` and in lines of files that take in others."""
    for name in ("one", "two", "three"):
        (tmp_path / "lines" / name).mkdir(parents=True)
    index.add(make_wheel("dep", "1"))
    (tmp_path / "lines/base.txt").write_text(
        f"--index-url {index.url}\n-e ./one[more]\n./three ; python_version < '3'\n"
    )
    (tmp_path / "lines/limits.txt").write_text("dep<2\n")
    (tmp_path / "lines/requirements.txt").write_text(
        "-r base.txt\n-c limits.txt\nfour @ git+https://example.com/four.git@v1\n"
    )
    one = make_wheel("one", "1", requires=["dep ; extra == 'more'"])
    builder = FakeBuilder(tmp_path, one=one, two=make_wheel("two", "2"), four=make_wheel("four", "4"))
    request = Request(
        ("./lines/two",), target, requirements_file=tmp_path / "lines/requirements.txt", directory=tmp_path
    )

    found = resolve(request, uv=uv, pin=pin, builder=builder)

    assert names(found.wheels) == ["dep 1", "four 4 built", "one 1 built", "two 2 built"]
    assert {source.url for source in builder.asked} == {"lines/one", "lines/two", "https://example.com/four.git"}


def test_sources_of_a_project(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin) -> None:
    """``tool.uv.sources`` and URLs in a pyproject.toml; with install_project the project itself."""
    (tmp_path / "near").mkdir()
    index.add(make_wheel("dep", "1"))
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["near", "far @ git+https://example.com/far.git"]\n'
        '[tool.uv.sources]\nnear = { path = "near" }\n'
    )
    app = make_wheel("app", "1", requires=["near", "far"])
    builder = FakeBuilder(
        tmp_path,
        near=make_wheel("near", "1", requires=["dep"]),
        far=make_wheel("far", "2"),
        **{tmp_path.name: app, ".": app},
    )
    request = Request(
        (), target, requirements_file=tmp_path / "pyproject.toml", directory=tmp_path, index_url=index.url
    )
    builder._wheels[""] = app

    without = resolve(request, uv=uv, pin=pin, builder=builder)
    installed = resolve(with_project(request), uv=uv, pin=pin, builder=builder)

    assert names(without.wheels) == ["dep 1", "far 2 built", "near 1 built"]
    assert names(installed.wheels) == ["app 1 built", "dep 1", "far 2 built", "near 1 built"]


def with_project(request: Request) -> Request:
    from dataclasses import replace

    return replace(request, install_project=True)


def test_a_hash_is_the_sdists(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path, pin: Pin) -> None:
    """``--hash`` allows the file that the index has; the wheel is made here and has one that nobody could write down."""
    index.add(sdist("old", "1"))
    builder = FakeBuilder(tmp_path, old=make_wheel("old", "1"))
    file = tmp_path / "requirements.txt"
    request = Request((), target, requirements_file=file, directory=tmp_path, index_url=index.url)

    file.write_text(f"old==1 --hash={index.files[0].digest}\n")
    assert names(resolve(request, uv=uv, pin=pin, builder=builder).wheels) == ["old 1 built"]
    file.write_text(f"old==1 --hash={digest_of(b'another')}\n")
    with pytest.raises(IntegrityError, match="allows by --hash"):
        resolve(request, uv=uv, pin=pin, builder=builder)


@pytest.mark.parametrize(
    "source",
    [
        Source("sdist", "https://example.com/a-1.tar.gz", digest_of(b"a"), name="a", version="1", requires=("x==1",)),
        Source("folder", "libs/a", digest_of(b"a"), subdirectory="sub", name="a", version="1"),
        Source("git", "https://example.com/a.git", None, "main", "c" * 40, "", "a", "1"),
    ],
)
def test_a_lock_names_the_source(target: Target, source: Source) -> None:
    """Other tools find what to build, imagewright what it was built to: both in one valid pylock.toml."""
    from packaging.pylock import Pylock

    wheel = LockedWheel("a", "1", InputFile("built:a-1-py3-none-any.whl", digest_of(b"wheel"), 5), source)

    document: dict[str, Any] = read_toml(write_lock([wheel], target))

    Pylock.from_dict(document)
    assert read_package(document["packages"][0]) == wheel


def read_toml(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)
