"""Requirements become exact wheels for a target that is not this machine."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.download import Downloads
from imagewright.errors import IntegrityError, LockError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.indexes_pip import PipSettings, pip_config_files, read_pip_settings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock import Pin, choose_wheels, write_lock
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_sdist, make_wheel
from imagewright.transport import Transport


def versions(request: Request, uv: Uv, pin: Pin, **options: bool | str) -> dict[str, str]:
    resolution = resolve(request, uv=uv, pin=pin, **options)  # type: ignore[arg-type]
    return {wheel.name: wheel.version for wheel in resolution.wheels}


def test_requirements_become_pinned_wheels(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """Each with the digest and size that the index tells; dependencies come along; names are normalised."""
    demo, dep = make_wheel("Demo", "1.0", requires=["dep.thing>=2"]), make_wheel("dep.thing", "2.1")
    index.add(demo, dep, make_wheel("dep.thing", "1.0"))

    resolution = resolve(Request(("demo",), target), uv=uv, pin=pin)

    assert [(wheel.name, wheel.version) for wheel in resolution.wheels] == [("demo", "1.0"), ("dep-thing", "2.1")]
    assert [wheel.file.digest for wheel in resolution.wheels] == [demo.digest, dep.digest]
    assert [wheel.file.size for wheel in resolution.wheels] == [len(demo.data), len(dep.data)]


def test_the_lock_says_the_same(index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path) -> None:
    """What is read from the lock's text are the wheels that were resolved."""
    index.add(make_wheel("demo", "1.0", requires=["dep"]), make_wheel("dep", "2.1"))

    resolution = resolve(Request(("demo",), target), uv=uv, pin=pin)
    read = choose_wheels(resolution.pylock, target, directory=tmp_path)

    assert [(wheel.name, wheel.version, wheel.url, wheel.digest, wheel.size) for wheel in read] == [
        (wheel.name, wheel.version, wheel.file.url, wheel.file.digest, wheel.file.size) for wheel in resolution.wheels
    ]


def test_nothing_wanted_needs_no_uv(pin: Pin, target: Target, tmp_path: Path) -> None:
    """Without requirements there is an empty lock, and uv is not run."""
    resolution = resolve(Request((), target), uv=Uv(tmp_path, {}, executable="/nonexistent"), pin=pin)

    assert resolution.wheels == ()
    assert 'lock-version = "1.0"' in resolution.pylock


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("python", ["3.9", "3.14"])
def test_wheels_are_the_targets(
    index: PackageIndex, uv: Uv, pin: Pin, target: Target, python: str, architecture: str
) -> None:
    """Whatever Python and machine run imagewright, the wheel's tags are those of the target, its markers too."""
    tag = f"cp{python.replace('.', '')}"
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture]
    wheels = [
        make_wheel("native", "1", tag=f"{python_tag}-{python_tag}-{platform}_{machine_tag}")
        for python_tag in ("cp39", "cp311", "cp314")
        for platform in ("manylinux_2_28", "musllinux_1_2")
        for machine_tag in ("x86_64", "aarch64")
    ]
    index.add(*wheels, make_wheel("arm-only", "1"), make_wheel("intel-only", "1"))
    requirements = (
        "native",
        "arm-only; platform_machine == 'aarch64'",
        "intel-only; platform_machine == 'x86_64'",
    )

    resolution = resolve(
        Request(requirements, replace(target, python=python, platform=Platform("linux", architecture))), uv=uv, pin=pin
    )

    assert [wheel.filename for wheel in resolution.wheels] == [
        f"{'arm' if architecture == 'arm64' else 'intel'}_only-1-py3-none-any.whl",
        f"native-1-{tag}-{tag}-manylinux_2_28_{machine}.whl",
    ]


def test_a_musl_target_takes_musllinux_wheels(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """The C library decides as the processor does."""
    index.add(
        make_wheel("native", "1", tag="cp311-cp311-manylinux_2_28_x86_64"),
        make_wheel("native", "1", tag="cp311-cp311-musllinux_1_2_x86_64"),
    )

    (wheel,) = resolve(Request(("native",), replace(target, libc=("musl", "1.2"))), uv=uv, pin=pin).wheels

    assert wheel.filename == "native-1-cp311-cp311-musllinux_1_2_x86_64.whl"


def test_a_newer_glibc_takes_newer_wheels(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """A wheel for glibc 2.36 is taken where the base has it, and the older one where it has not."""
    new = make_wheel("native", "2", tag="cp311-cp311-manylinux_2_36_x86_64")
    old = make_wheel("native", "1", tag="cp311-cp311-manylinux_2_31_x86_64")
    index.add(new, old)

    assert versions(Request(("native",), target), uv, pin) == {"native": "2"}
    assert versions(Request(("native",), replace(target, libc=("glibc", "2.31"))), uv, pin) == {"native": "1"}


def test_the_whole_python_version_counts(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """A dependency for interpreters before 3.11.3 is there for 3.11.2 and not for 3.11.9."""
    index.add(make_wheel("demo", "1", requires=["late; python_full_version < '3.11.3'"]), make_wheel("late", "1"))
    request = Request(("demo",), replace(target, python_full_version="3.11.2"))
    newer = Request(("demo",), replace(target, python_full_version="3.11.9"))

    assert versions(request, uv, pin) == {"demo": "1", "late": "1"}
    assert versions(newer, uv, pin) == {"demo": "1"}


def test_a_version_without_wheel_gives_way_to_one_with(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """Nothing is built from source, so the newest version that has a wheel is the newest."""
    index.add(make_wheel("demo", "1"), make_sdist("demo", "2"))

    assert versions(Request(("demo",), target), uv, pin) == {"demo": "1"}


def test_a_requirements_file_is_taken_as_it_is(
    index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path
) -> None:
    """Its includes, constraints, markers and comments count, together with packages."""
    index.add(*(make_wheel(name, version) for name in ("one", "two", "three", "four") for version in ("1", "2")))
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.txt").write_text("two\n-c limits.txt\n")
    (tmp_path / "more/limits.txt").write_text("two<2\nthree<2\n")
    file = tmp_path / "requirements.txt"
    file.write_text("one==1  # because\n-r more/base.txt\nthree; python_version < '3'\n")

    assert versions(Request(("four",), target, requirements_file=file), uv, pin) == {
        "one": "1",
        "two": "1",
        "four": "2",
    }


def test_hashes_of_a_requirements_file_are_kept_to(
    index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path
) -> None:
    """The file on the index has to be one of those that --hash allows."""
    right, wrong = make_wheel("demo", "1"), make_wheel("demo", "1", files={"evil.py": b""})
    file = tmp_path / "requirements.txt"
    file.write_text(f"demo==1 \\\n    --hash={right.digest}\n")
    index.add(right)
    assert versions(Request((), target, requirements_file=file), uv, pin) == {"demo": "1"}

    file.write_text(f"# pinned\n\ndemo==1 \\\n    --hash={wrong.digest}\n")
    with pytest.raises(IntegrityError) as caught:
        resolve(Request((), target, requirements_file=file), uv=uv, pin=pin)

    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.where.part) == (3, "demo")
    assert right.digest in caught.value.why[0]
    assert wrong.digest in caught.value.why[1]


def test_the_wheel_that_a_hash_allows_is_chosen(
    index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path
) -> None:
    """Where a version has several wheels that fit, as pip does it: the best one of those that are allowed."""
    plain, native = make_wheel("demo", "1"), make_wheel("demo", "1", tag="cp311-cp311-manylinux_2_28_x86_64")
    index.add(native, plain)
    file = tmp_path / "requirements.txt"

    def chosen(text: str) -> str:
        file.write_text(text)
        (wheel,) = resolve(Request((), target, requirements_file=file), uv=uv, pin=pin).wheels
        return wheel.filename

    assert chosen("demo==1\n") == native.filename
    assert chosen(f"demo==1 --hash={plain.digest}\n") == plain.filename
    assert chosen(f"demo==1 --hash={plain.digest} --hash={native.digest}\n") == native.filename
    assert (
        chosen(
            f"demo==1 ; python_version >= '3' --hash={plain.digest}\n"
            f"demo==1 ; python_version < '3' --hash={native.digest}\n"
        )
        == plain.filename
    )


@pytest.mark.parametrize("where", ["file", "field"])
def test_hashes_of_everything_can_be_required(
    index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path, where: str
) -> None:
    """--require-hashes wants one for dependencies as well; the fix is the line to write."""
    demo, dep = make_wheel("demo", "1", requires=["dep"]), make_wheel("dep", "2")
    index.add(demo, dep)
    file = tmp_path / "requirements.txt"
    file.write_text(("--require-hashes\n" if where == "file" else "") + f"demo==1 --hash={demo.digest}\n")
    request = Request((), target, requirements_file=file, extra_args="--require-hashes" if where == "field" else "")

    with pytest.raises(IntegrityError, match="dep 2 has no hash, and --require-hashes wants one") as caught:
        resolve(request, uv=uv, pin=pin)

    assert f"dep==2 --hash={dep.digest}" in caught.value.fix[0]
    file.write_text(f"{file.read_text()}dep==2 --hash={dep.digest}\n")
    assert versions(request, uv, pin) == {"demo": "1", "dep": "2"}


def test_options_in_a_requirements_file(index: PackageIndex, uv: Uv, pin: Pin, target: Target, tmp_path: Path) -> None:
    """Its indexes come before all that is configured elsewhere, and --pre counts, which uv passes over."""
    index.add(make_wheel("demo", "9"), make_wheel("early", "1"), make_wheel("early", "2rc1"))
    private = PackageIndex([make_wheel("demo", "1")])
    file = tmp_path / "requirements.txt"
    with private.serve() as url:
        file.write_text(f"--extra-index-url {url}\n--trusted-host example.com\n--prefer-binary\n--pre\ndemo\nearly\n")
        assert versions(Request((), target, requirements_file=file), uv, pin) == {"demo": "1", "early": "2rc1"}

        file.write_text(f"-i {url}\ndemo\n")
        assert versions(Request((), target, requirements_file=file), uv, pin) == {"demo": "1"}
        assert versions(Request((), target, requirements_file=file, index_url=index.url), uv, pin) == {"demo": "9"}


def test_a_local_wheel_in_a_requirements_file(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> None:
    """By its path from the file, with its hash checked."""
    local = make_wheel("local", "1")
    (tmp_path / "app/dist").mkdir(parents=True)
    PackageIndex([local]).write(tmp_path / "app/dist")
    file = tmp_path / "app/requirements.txt"
    file.write_text(f"./dist/{local.filename} --hash={local.digest}\n")
    pin = Downloads(tmp_path / "files", Transport()).pin
    request = Request((), target, requirements_file=file, directory=tmp_path / "app")

    assert versions(request, uv, pin) == {"local": "1"}
    (tmp_path / "app/dist" / local.filename).write_bytes(make_wheel("local", "1", files={"x.py": ""}).data)
    with pytest.raises(IntegrityError, match=r"is none of the files that requirements\.txt allows by --hash"):
        resolve(request, uv=uv, pin=pin)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-e ./project", "a folder, to be installed in place"),
        ("--editable=project", "a folder, to be installed in place"),
        ("./project", "a folder"),
        ("project @ file:///srv/project", "a folder"),
        ("demo @ git+https://example.com/demo.git@main", "a git repository"),
        ("git+ssh://git@example.com/demo.git", "a git repository"),
        ("hg+https://example.com/demo", "a hg repository"),
        ("https://example.com/demo-1.tar.gz", "an sdist"),
        ("demo @ https://example.com/demo-1.zip ; python_version > '3'", "an sdist"),
    ],
)
def test_what_would_have_to_be_built_is_refused_by_its_line(
    target: Target, tmp_path: Path, pin: Pin, line: str, what: str
) -> None:
    """Before uv, or a clone: file and line, and what to do instead."""
    (tmp_path / "base.txt").write_text(f"\n{line}\n")
    (tmp_path / "requirements.txt").write_text("-r base.txt\n")
    request = Request((), target, requirements_file=tmp_path / "requirements.txt")

    with pytest.raises(LockError, match=re.escape(f"{line} is {what}, and ")) as caught:
        resolve(request, uv=Uv(tmp_path, {}, executable="/nonexistent"), pin=pin)

    where = caught.value.where
    assert (caught.value.code, where and (Path(where.file).name, where.line)) == ("IW204", ("base.txt", 2))


def test_a_repository_in_packages_is_refused(target: Target, tmp_path: Path, pin: Pin) -> None:
    """As a line of a file is."""
    request = Request(("demo @ git+https://example.com/demo.git",), target)

    with pytest.raises(LockError, match="is a git repository") as caught:
        resolve(request, uv=Uv(tmp_path, {}, executable="/nonexistent"), pin=pin)

    assert caught.value.code == "IW204"


def test_a_lock_of_pep_751(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> None:
    """What it says for the target, from where it says; a file that is another one by now is not taken."""
    demo, arm = make_wheel("demo", "1", tag="py3-none-manylinux_2_28_x86_64"), make_wheel("demo", "2")
    index.add(demo)
    local = make_wheel("local", "3")
    (tmp_path / "locks").mkdir()
    PackageIndex([local]).write(tmp_path / "locks")
    file = tmp_path / "locks/pylock.train.toml"
    files = index.url.replace("simple/", "files/")
    file.write_text(
        'lock-version = "1.0"\ncreated-by = "somebody"\n'
        f'[[packages]]\nname = "demo"\nversion = "1"\nmarker = "platform_machine == \'x86_64\'"\n'
        f'wheels = [{{ url = "{files}{demo.filename}", hashes = {{ sha256 = "{hex_of(demo.digest)}" }} }}]\n'
        f'[[packages]]\nname = "demo"\nversion = "2"\nmarker = "platform_machine == \'aarch64\'"\n'
        f'wheels = [{{ url = "{files}{arm.filename}", hashes = {{ sha256 = "{hex_of(arm.digest)}" }} }}]\n'
        f'[[packages]]\nname = "local"\narchive = {{ path = "{local.filename}", '
        f'hashes = {{ sha256 = "{hex_of(local.digest)}" }} }}\n'
    )
    downloads = Downloads(tmp_path / "files", Transport())
    request = Request((), target, requirements_file=file)

    first, second = resolve(request, uv=uv, pin=downloads.pin).wheels

    assert (first.version, first.file.digest, first.file.size) == ("1", demo.digest, len(demo.data))
    assert (second.name, second.version, second.file.digest) == ("local", "3", local.digest)
    (tmp_path / "locks" / local.filename).write_bytes(b"another")
    with pytest.raises(IntegrityError, match="local-3"):
        resolve(request, uv=uv, pin=downloads.pin)


def test_a_lock_that_contradicts_the_base(uv: Uv, pin: Pin, target: Target, tmp_path: Path) -> None:
    """Its version is not the one that the base image has where wheels go."""
    file = tmp_path / "pylock.toml"
    wheel = LockedWheel("demo", "2", InputFile("https://example.com/demo-2-py3-none-any.whl", digest_of(b""), 0))
    file.write_text(write_lock((wheel,), target))
    request = Request((), target, requirements_file=file)

    assert resolve(request, uv=uv, pin=pin, fixed=[("demo", "2")]).wheels == (wheel,)
    with pytest.raises(LockError, match="the lock has demo 2, and the base image has demo 1"):
        resolve(request, uv=uv, pin=pin, fixed=[("demo", "1")])


def test_an_earlier_lock_is_kept_until_upgrade(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """With ``previous`` a package keeps its version when others are added; ``upgrade`` lets it go."""
    index.add(make_wheel("demo", "1"), make_wheel("other", "1"))
    before = resolve(Request(("demo",), target), uv=uv, pin=pin).pylock
    index.add(make_wheel("demo", "2"))
    request = Request(("demo", "other"), target)

    assert versions(request, uv, pin, previous=before) == {"demo": "1", "other": "1"}
    assert versions(request, uv, pin, previous=before, upgrade=True) == {"demo": "2", "other": "1"}


def test_a_warm_cache_works_offline(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """What was resolved once is resolved again without a request."""
    index.add(make_wheel("demo", "1", requires=["dep"]), make_wheel("dep", "1"))
    request = Request(("demo",), target)
    online = versions(request, uv, pin)
    asked = len(index.asked)

    assert versions(request, uv, pin, offline=True) == online
    assert len(index.asked) == asked


def test_find_links_give_local_files(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> None:
    """A wheel of a folder is locked as a file: URL, with digest and size; its local version beats the index's."""
    index.add(make_wheel("demo", "1"))
    local = make_wheel("demo", "1+cpu")
    (tmp_path / "wheels").mkdir()
    PackageIndex([local]).write(tmp_path / "wheels")
    downloads = Downloads(tmp_path / "files", Transport())

    (wheel,) = resolve(
        Request(("demo==1",), target),
        uv=uv,
        pin=downloads.pin,
        pip=PipSettings(find_links=(str(tmp_path / "wheels"),)),
    ).wheels

    assert wheel.file.url == (tmp_path / "wheels" / local.filename).as_uri().replace("%2B", "+")
    assert (wheel.version, wheel.file.digest, wheel.file.size) == ("1+cpu", local.digest, len(local.data))
    assert downloads.path(wheel.file).read_bytes() == local.data


def test_a_wheel_named_by_its_path(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> None:
    """A path in packages is relative to the spec's folder."""
    wheel_file = make_wheel("local", "3.1", requires=["dep"])
    index.add(make_wheel("dep", "1"))
    (tmp_path / "dist").mkdir()
    PackageIndex([wheel_file]).write(tmp_path / "dist")
    pin = Downloads(tmp_path / "files", Transport()).pin

    resolution = resolve(Request((f"./dist/{wheel_file.filename}",), target, directory=tmp_path), uv=uv, pin=pin)

    assert [(wheel.name, wheel.version) for wheel in resolution.wheels] == [("dep", "1"), ("local", "3.1")]
    assert resolution.wheels[1].file.digest == wheel_file.digest


@pytest.mark.parametrize("requirement", ["./project", "project @ {directory}/project"])
def test_a_source_tree_is_refused(
    uv: Uv, index: PackageIndex, pin: Pin, target: Target, tmp_path: Path, requirement: str
) -> None:
    """The native builder installs wheels; what would have to be built says so."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/pyproject.toml").write_text('[project]\nname = "project"\nversion = "1"\n')

    with pytest.raises(LockError) as caught:
        resolve(Request((requirement.format(directory=tmp_path.as_uri()),), target, directory=tmp_path), uv=uv, pin=pin)

    assert caught.value.code == "IW204"


def test_an_index_without_digests_and_sizes(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> None:
    """HTML pages tell no size, and some no digest: the lock has both all the same."""
    wheel_file = make_wheel("demo", "1")
    index.add(wheel_file)
    index.json, index.digests = False, False
    downloads = Downloads(tmp_path / "files", Transport())

    (wheel,) = resolve(Request(("demo",), target), uv=uv, pin=downloads.pin).wheels

    assert (wheel.file.digest, wheel.file.size) == (wheel_file.digest, len(wheel_file.data))


W1 = ("pandas", "scikit-learn", "pyarrow")


@pytest.fixture(scope="module")
def real_uv(tmp_path_factory: pytest.TempPathFactory) -> Uv:
    """uv as this machine is configured for it, with a cache of its own."""
    cache = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    return Uv(Path(cache) / "uv" if cache else tmp_path_factory.mktemp("uv"), os.environ)


@pytest.fixture
def machine_pip() -> PipSettings:
    return read_pip_settings(os.environ, pip_config_files(os.environ, prefix=Path(sys.prefix)))


@pytest.mark.network
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("python", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_main_job_resolves(
    real_uv: Uv, machine_pip: PipSettings, target: Target, tmp_path: Path, python: str, architecture: str
) -> None:
    """numpy, pandas, scikit-learn and pyarrow resolve for every Python and both architectures, from real indexes."""
    numpy = "numpy==1.26.4" if python != "3.13" and python != "3.14" else "numpy"
    request = Request((numpy, *W1), replace(target, python=python, platform=Platform("linux", architecture)))
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture]

    resolution = resolve(request, uv=real_uv, pin=Downloads(tmp_path, Transport()).pin, pip=machine_pip)

    assert {"numpy", "pandas", "scikit-learn", "pyarrow", "scipy"} <= {wheel.name for wheel in resolution.wheels}
    for wheel in resolution.wheels:
        assert wheel.filename.endswith(("-any.whl", f"{machine}.whl"))
        assert wheel.file.size > 1000


@pytest.mark.network
def test_torch_resolves(real_uv: Uv, machine_pip: PipSettings, target: Target, tmp_path: Path) -> None:
    """torch 2.13.0 resolves; where pip is configured with a folder that has it, to the file in that folder."""
    resolution = resolve(
        Request(("torch==2.13.0",), target), uv=real_uv, pin=Downloads(tmp_path, Transport()).pin, pip=machine_pip
    )

    (torch,) = [wheel for wheel in resolution.wheels if wheel.name == "torch"]
    assert torch.version.startswith("2.13.0")
    if any(Path(link).is_dir() and list(Path(link).glob("torch-2.13.0*")) for link in machine_pip.find_links):
        assert torch.file.url.startswith("file://")


def test_constraints_choose_and_install_nothing(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """An older version is taken where a newer one needs what is kept out; what nobody requires does not come."""
    index.add(
        make_wheel("demo", "2.0", requires=["runtime"]),
        make_wheel("demo", "1.0", requires=["runtime-cu12"]),
        make_wheel("runtime", "13.0"),
        make_wheel("runtime-cu12", "12.9"),
        make_wheel("runtime-cu12", "12.4.1"),
        make_wheel("other", "1.0"),
    )

    constraints = ("runtime<0", "runtime-cu12==12.4.*", "other==1.*")
    found = versions(Request(("demo",), target, constraints=constraints), uv, pin)

    assert found == {"demo": "1.0", "runtime-cu12": "12.4.1"}
