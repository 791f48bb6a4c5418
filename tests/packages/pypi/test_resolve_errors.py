"""What is said when there is no resolution: the whole text of each failure, as it is shown."""

from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from imagewright.errors import ImagewrightError, LockError, SpecError, Where
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.pylock import Pin
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_errors import explain
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_sdist, make_wheel


def text_of(error: ImagewrightError) -> str:
    """The parts of an error, a line each."""
    where = error.where
    return "\n".join(
        [
            f"{error.code} exit {error.exit_code}: {error.what}",
            *([f"at {Path(where.file).name}:{where.line} under {where.part!r}"] if where else []),
            *error.why,
            *(f"fix: {line}" for line in error.fix),
        ]
    )


@pytest.fixture
def failure(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> "Failure":
    index.add(
        make_wheel("pandas", "2.2.0", requires=["numpy>=1.26.0,<2; python_version < '3.12'"]),
        make_wheel("numpy", "1.19.5"),
        make_wheel("numpy", "1.26.4"),
        make_wheel("needs-missing", "1", requires=["missing-thing>1"]),
        make_wheel("needs-source", "1", requires=["pycosat"]),
        make_sdist("pycosat", "0.6.6"),
        make_wheel("native", "1", tag="cp310-cp310-manylinux_2_28_x86_64"),
        make_wheel("native", "1", tag="cp310-cp310-win_amd64"),
        make_wheel("new-python", "1", requires_python=">=3.13"),
        make_wheel("one", "1", requires=["numpy<1.20"]),
        make_wheel("two", "1", requires=["numpy>=1.26"]),
        make_wheel("both", "1", requires=["one", "two"]),
    )
    return Failure(uv, pin, target)


class Failure:
    """Resolves what cannot be resolved, for the image "demo" of app.py:4."""

    def __init__(self, uv: Uv, pin: Pin, target: Target) -> None:
        self.uv, self.pin, self.target = uv, pin, target

    def __call__(self, *requirements: str, file: Path | None = None, **changes: object) -> str:
        listed = ", ".join(f'"{requirement}"' for requirement in requirements)
        where = Where("/home/me/app.py", 4, f'image = ImageSpec(name="demo", packages=[{listed}])')
        target = replace(self.target, **changes)  # type: ignore[arg-type]
        request = Request(requirements, target, image="demo", where=where, requirements_file=file)
        with pytest.raises(ImagewrightError) as caught:
            resolve(request, uv=self.uv, pin=self.pin)
        return text_of(caught.value)


def test_no_such_package(failure: Failure) -> None:
    """The name, a guess, and the way to a private index; the caret goes under the name."""
    assert failure("numpyy", "pandas") == snapshot("""\
IW201 exit 3: there is no package 'numpyy' on the package index
at app.py:4 under 'numpyy'
fix: did you mean 'numpy'?
fix: if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX\
""")


def test_no_such_package_that_another_needs(failure: Failure) -> None:
    """Who asks for it is named, as the user did not."""
    assert failure("needs-missing") == snapshot("""\
IW201 exit 3: there is no package 'missing-thing' on the package index
at app.py:4 under ''
needs-missing needs it
fix: if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX\
""")


def test_packages_that_do_not_fit(failure: Failure) -> None:
    """Both sides of the contradiction, and nothing of uv's reasoning."""
    assert failure("pandas==2.2.0", "numpy<1.20") == snapshot("""\
IW202 exit 3: the packages of image 'demo' do not fit together (Python 3.11, linux/amd64)
pandas 2.2.0 needs   numpy >=1.26.0,<2
app.py:4 asks for    numpy <1.20
fix: change one of the two\
""")


def test_dependencies_that_do_not_fit(failure: Failure) -> None:
    """Also where the user named neither."""
    assert failure("both") == snapshot("""\
IW202 exit 3: the packages of image 'demo' do not fit together (Python 3.11, linux/amd64)
at app.py:4 under ''
two needs    numpy >=1.26
one needs    numpy <1.20
both needs   one
both needs   two
fix: change one of these\
""")


def test_requirements_that_contradict_each_other(failure: Failure) -> None:
    """Two requirements of the spec itself."""
    assert failure("numpy>1.20", "numpy<1.20") == snapshot("""\
IW202 exit 3: the packages of image 'demo' do not fit together (Python 3.11, linux/amd64)
app.py:4 asks for   numpy >1.20
app.py:4 asks for   numpy <1.20
fix: change one of the two\
""")


def test_source_only(failure: Failure) -> None:
    """No wheel at all, for any platform."""
    assert failure("pycosat==0.6.6", python="3.13", platform=Platform("linux", "arm64")) == snapshot("""\
IW203 exit 3: pycosat 0.6.6 has no wheel for Python 3.13 on linux/arm64 (source only)
at app.py:4 under 'pycosat'
wanted because image 'demo' is for linux/arm64
fix: choose another version of pycosat
fix: or make the wheel where it can be compiled: pip wheel 'pycosat==0.6.6'; pip_extra_args='--find-links FOLDER'\
""")


def test_source_only_that_another_needs(failure: Failure) -> None:
    """Who asks for it is named."""
    assert failure("needs-source") == snapshot("""\
IW203 exit 3: pycosat 0.6.6 has no wheel for Python 3.11 on linux/amd64 (source only)
at app.py:4 under ''
needs-source needs it
wanted because image 'demo' is for linux/amd64
fix: choose another version of pycosat
fix: or make the wheel where it can be compiled: pip wheel 'pycosat==0.6.6'; pip_extra_args='--find-links FOLDER'\
""")


def test_wheels_for_other_pythons(failure: Failure) -> None:
    """The wheels that there are, so that a Python can be chosen."""
    assert failure("native") == snapshot("""\
IW203 exit 3: native 1 has no wheel for Python 3.11 on linux/amd64
at app.py:4 under 'native'
it has wheels for Python 3.10 on linux/amd64
fix: choose another version of native, or another python_version or platform
fix: or make the wheel where it can be compiled: pip wheel 'native==1'; pip_extra_args='--find-links FOLDER'\
""")


def test_a_python_that_is_too_old(failure: Failure) -> None:
    """The Python that the package takes."""
    assert failure("new-python") == snapshot("""\
IW202 exit 3: new-python 1 needs Python >=3.13, and image 'demo' has Python 3.11
at app.py:4 under 'new-python'
fix: set python_version, or choose another version of new-python\
""")


def test_no_such_version(failure: Failure) -> None:
    """The package is there, the version is not."""
    assert failure("numpy==9.9") == snapshot("""\
IW201 exit 3: there is no version of 'numpy' that is ==9.9 on the package index
at app.py:4 under 'numpy'
fix: choose another version of numpy\
""")


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        (
            "pan das",
            snapshot("""\
IW102 exit 2: packages: 'pan das' is not a requirement: Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `d`
at app.py:4 under 'pan das'\
"""),
        ),
        (
            "numpy==",
            snapshot("""\
IW102 exit 2: packages: 'numpy==' is not a requirement: Unexpected end of version specifier, expected version
at app.py:4 under 'numpy=='\
"""),
        ),
        (
            "--pre",
            snapshot("""\
IW102 exit 2: packages: '--pre' is an option, not a requirement
at app.py:4 under '--pre'
fix: write pip_extra_args="--pre", or put it into a requirements file\
"""),
        ),
        (
            "numpy\npandas",
            snapshot("""\
IW102 exit 2: packages: 'numpy\\npandas' is not a requirement
at app.py:4 under 'numpy\\npandas'
fix: write one requirement in each entry, as "numpy==1.26.4"\
"""),
        ),
    ],
)
def test_what_is_no_requirement(failure: Failure, requirement: str, expected: str) -> None:
    """The entry of packages and what is wrong with it."""
    assert failure("numpy", requirement) == expected


def test_a_line_that_is_no_requirement(failure: Failure, tmp_path: Path) -> None:
    """The line of the requirements file, with its number."""
    file = tmp_path / "requirements.txt"
    file.write_text("# mine\nnumpy\npan das\n")

    assert failure(file=file) == snapshot("""\
IW102 exit 2: requirements.txt: 'pan das' is not a requirement: Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `d`
at requirements.txt:3 under 'pan das'\
""")


def test_a_package_of_a_file_that_is_not_there(failure: Failure, tmp_path: Path) -> None:
    """The place is the line of the requirements file."""
    file = tmp_path / "requirements.txt"
    file.write_text("numpy\nnumpyy  # a slip\n")

    assert failure(file=file) == snapshot("""\
IW201 exit 3: there is no package 'numpyy' on the package index
at requirements.txt:2 under 'numpyy'
fix: did you mean 'numpy'?
fix: if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX\
""")


def test_a_conflict_with_a_file(failure: Failure, tmp_path: Path) -> None:
    """Each requirement is named with the place that it is written at."""
    file = tmp_path / "requirements.txt"
    file.write_text("\nnumpy<1.20\n")

    assert failure("pandas", file=file) == snapshot("""\
IW202 exit 3: the packages of image 'demo' do not fit together (Python 3.11, linux/amd64)
pandas needs                  numpy >=1.26.0,<2
requirements.txt:2 asks for   numpy <1.20
fix: change one of the two\
""")


def test_an_include_that_is_missing(failure: Failure, tmp_path: Path) -> None:
    """uv's own words are kept where nothing better is known."""
    file = tmp_path / "requirements.txt"
    file.write_text("-r more.txt\n")

    assert failure(file=file).startswith("IW102 exit 2: uv cannot read the requirements file requirements.txt")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Pipfile.lock", "pipenv requirements > requirements.txt"),
        ("pixi.lock", "conda_packages"),
        ("environment.yml", "conda_packages"),
        ("setup.cfg", "requirements.txt"),
        ("other.toml", "requirements.txt"),
    ],
)
def test_files_of_other_tools(failure: Failure, tmp_path: Path, name: str, instead: str) -> None:
    """They are refused by name, with a way out, before uv is run."""
    (tmp_path / name).write_text("")

    text = failure(file=tmp_path / name)

    assert text.startswith(f"IW204 exit 3: requirements={name!r} is a kind of file that imagewright does not know")
    assert instead in text.splitlines()[-1]


def test_a_file_that_is_not_there(target: Target, uv: Uv, pin: Pin, tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(SpecError, match="there is no file"):
        resolve(Request((), target, requirements_file=tmp_path / "nothing.txt"), uv=uv, pin=pin)


def test_words_that_are_not_known_are_passed_on(target: Target) -> None:
    """Another version of uv may say it in another way: its text is shown, without passwords."""
    raw = "error: something new at https://user:canary@example.com/simple\n  cause: of a kind\n"

    error = explain(raw, Request(("demo",), target, image="demo"), other_wheels=lambda requirement: ())

    assert isinstance(error, LockError)
    assert error.why == ("error: something new at https://***@example.com/simple", "cause: of a kind")


def test_the_layout_of_an_older_uv(target: Target) -> None:
    """uv 0.9 draws a tree around the same sentences."""
    raw = (
        "  \u00d7 No solution found when resolving dependencies:\n"
        "  ╰─▶ Because numpyy was not found in the package registry and you\n"
        "      require numpyy, we can conclude that your requirements are\n"
        "      unsatisfiable.\n"
    )

    error = explain(raw, Request(("numpyy",), target), other_wheels=lambda requirement: ())

    assert (error.code, error.what) == ("IW201", "there is no package 'numpyy' on the package index")
