"""Every failure that first-run promises, as text and as JSON."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagewright.cli.errors_text import MAX_LINES, annotation, error_json, error_lines, unexpected
from imagewright.cli.terminal import Terminal
from imagewright.errors import (
    BuildError,
    CredentialsError,
    ImagewrightError,
    LockError,
    NetworkError,
    RunnerError,
    SandboxError,
    UsageError,
    Where,
)
from imagewright.packages.overwriting import NOBODY, Conflict, refusal

Golden = Callable[[str, str], None]

HERE = Path("/home/alice/demo")

FAILURES = {
    "A-no-such-package": LockError(
        "there is no package 'numpyy' on the package index",
        code="IW201",
        where=Where(f"{HERE}/app.py", 4, 'ImageSpec(name="demo", packages=["numpyy", "pandas"])', "numpyy"),
        fix=[
            "did you mean 'numpy'?",
            'if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX',
        ],
    ),
    "B-login-wanted": CredentialsError(
        "ghcr.io wants a login to push acme/demo, and none was found",
        code="IW401",
        why=[
            "looked in: DOCKER_AUTH_CONFIG (unset), ~/.docker/config.json (3 entries, none for ghcr.io),",
            "           ~/.config/containers/auth.json (absent), GITHUB_TOKEN (unset)",
        ],
        kept="the image is complete in the local store; nothing will be built again",
        fix=["docker login ghcr.io          or: imagewright login ghcr.io", "  imagewright push demo"],
    ),
    "B-refused": CredentialsError(
        "ghcr.io knows you as 'alice' (~/.docker/config.json) but refuses the push to acme/demo",
        code="IW403",
        why="it said: denied: permission_denied: write_package",
        fix="the token needs scope write:packages, and 'alice' write access to acme/demo",
    ),
    "C-connection-refused": NetworkError(
        "nothing answers at localhost:30000 (connection refused)",
        code="IW501",
        why="That is imagewright's own registry address, and its server is not running.",
        fix="imagewright server start         or build without a registry: --registry local",
    ),
    "C-no-answer": NetworkError(
        "registry.acme.io did not answer: 3 tries in 9s, last: TLS handshake timed out",
        code="IW502",
        why="via proxy http://proxy:3128 (HTTPS_PROXY); add the host to NO_PROXY if it should be reached directly",
        kept="6 of 9 layers are uploaded; the next push sends only the other 3",
    ),
    "D-do-not-fit": LockError(
        "the packages of image 'demo' do not fit together (Python 3.11, linux/amd64)",
        code="IW202",
        why=["pandas 2.2.0 needs   numpy >=1.26.0,<2", "app.py:4 asks for    numpy <1.20"],
        fix="change one of the two; `imagewright lock app.py --relax` shows which versions would work",
    ),
    "D-one-file-of-two": refusal(
        [
            (
                Conflict(
                    f"/opt/imagewright/lib/python3.11/site-packages/cv2/{file}",
                    "opencv_python-4.10.0.84-cp37-abi3-manylinux_2_17_x86_64.whl",
                    "opencv_python_headless-4.10.0.84-cp37-abi3-manylinux_2_17_x86_64.whl",
                ),
                "opencv-python-headless",
            )
            for file in ("cv2.abi3.so", "config-3.py")
        ],
        NOBODY,
    ),
    "E-no-wheel": LockError(
        "pycosat 0.6.6 has no wheel for Python 3.13 on linux/arm64 (source only)",
        code="IW203",
        where=Where(
            f"{HERE}/app.py", 5, "packages=[\"pycosat\"]     wanted because image 'demo' lists platform linux/arm64"
        ),
        why="This machine can compile it for linux/amd64 only.",
        fix='platforms=["linux/amd64"], or builder="remote" (an arm64 builder), or conda_packages=["pycosat"]',
    ),
    "F-command-failed": BuildError(
        "command 2 of 3 of image 'demo' ended with exit code 127 after 0.4s",
        code="IW301",
        where=Where(f"{HERE}/app.py", 7, '"make install"'),
        why=["| + make install", "| /bin/sh: 1: make: not found"],
        kept="the 7 layers before it.  Look around: imagewright shell demo --at 2",
        fix="'make' comes with the Debian package 'make': apt_packages=[\"make\"]",
    ),
    "G-no-sandbox": SandboxError(
        "this machine does not let imagewright make a sandbox, which apt_packages and commands need",
        code="IW601",
        why=[
            "bwrap: setting up uid map: Permission denied   (Ubuntu: kernel.apparmor_restrict_unprivileged_userns=1)",
            "Images with only Python and conda packages still build here.",
        ],
        fix='sudo imagewright doctor --fix   (adds an AppArmor profile for bwrap), or builder="docker" | "remote"',
    ),
    "H-nowhere": RunnerError(
        "--remote has no place to run: no server and no cluster is configured",
        code="IW701",
        fix="imagewright server start  (runs tasks on this machine), or: imagewright config set cluster kube:my-context",
    ),
    "I-cannot-pull": RunnerError(
        "node 'kind-1' cannot pull localhost:30000/demo: on the node, 'localhost' is the node itself",
        code="IW702",
        fix="--registry 10.0.0.5:30000, or imagewright load demo --kind",
    ),
    "task-needs-package": UsageError(
        "task 'squares' needs numpy, which is not installed in this environment",
        code="IW110",
        where=Where(f"{HERE}/app.py", 9, "in image 'demo' (app.py:4)"),
        fix=[
            "run it inside its image:   imagewright run --container app.py main --n 5",
            "  or install it here:        uv pip install numpy",
        ],
    ),
}


def text_of(error: ImagewrightError, **options: Any) -> str:
    return "".join(f"{line}\n" for line in error_lines(error, Terminal(), HERE, **options))


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_reads_as_first_run_says(name: str, golden: Golden) -> None:
    """The text of each failure, letter by letter."""
    golden(f"cli/errors/{name}.txt", text_of(FAILURES[name]))


def test_json_holds_code_message_where_help_and_docs() -> None:
    """A program finds in the JSON form what a person finds in the text."""
    document = error_json(FAILURES["A-no-such-package"], HERE)

    assert document == {
        "code": "IW201",
        "message": "there is no package 'numpyy' on the package index",
        "where": {"file": "app.py", "line": 4},
        "help": [
            "did you mean 'numpy'?",
            'if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX',
        ],
        "docs": "imagewright explain IW201",
    }


def test_long_facts_give_way_to_help() -> None:
    """Twelve lines at most, and the last fact and every help line are among them."""
    error = BuildError("it broke", why=[f"fact {n}" for n in range(40)], kept="a layer", fix=["this", "or that"])

    lines = error_lines(error, Terminal(), HERE)

    assert len(lines) == MAX_LINES
    assert lines[-4:] == ["  fact 39", "  kept: a layer", "  help: this", "  help: or that"]
    assert "  ... 33 more lines: -v shows all" in lines


def test_all_facts_are_shown_on_demand() -> None:
    """``-v`` leaves nothing out."""
    error = BuildError("it broke", why=[f"fact {n}" for n in range(40)])

    assert len(error_lines(error, Terminal(), HERE, all_facts=True)) == 41


def test_the_caret_stays_under_its_part_when_the_source_is_cut() -> None:
    """A long source line is cut around the part that is wrong."""
    source = f'image = ImageSpec(packages=[{", ".join(repr(f"package-{n}") for n in range(30))}, "numpyy", "more"])'
    error = LockError("no numpyy", where=Where(f"{HERE}/app.py", 4, source, "numpyy"))

    _, shown, caret = error_lines(error, Terminal(screen=80), HERE)

    assert len(shown) <= 80
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "numpyy"


@pytest.mark.parametrize("width", [40, 60, 84])
@pytest.mark.parametrize("place", range(0, 30, 3))
def test_the_caret_fits_at_every_width(width: int, place: int) -> None:
    """Wherever the part is in the line."""
    names = [f"package-{n}" for n in range(30)]
    names[place] = "numpyy"
    error = LockError("no numpyy", where=Where(f"{HERE}/app.py", 4, f"packages={names}", "numpyy"))

    _, shown, caret = error_lines(error, Terminal(screen=width), HERE)

    assert shown[caret.index("^") : caret.rindex("^") + 1] == "numpyy"


def test_secrets_and_escape_sequences_do_not_reach_the_text() -> None:
    """A user and password in a URL, and what would steer a terminal, are taken out of every part."""
    nasty = "https://alice:hunter2@example.com/\x1b]0;title\x07\x1b[31mred"
    error = NetworkError(nasty, why=nasty, kept=nasty, fix=nasty, where=Where("a.py", 1, nasty))

    text = text_of(error)

    assert "hunter2" not in text
    assert "\x1b" not in text
    assert "title" not in text
    assert "hunter2" not in str(error_json(error, HERE))


def test_a_file_elsewhere_is_shown_whole() -> None:
    """A path is made relative only inside the folder that the command runs in."""
    error = UsageError("no", where=Where("/srv/other/app.py", 3))

    assert error_lines(error, Terminal(), HERE)[1] == "  --> /srv/other/app.py:3"


def test_github_annotation_escapes_what_would_end_it() -> None:
    """A workflow command stays one line with its own properties."""
    error = UsageError("100% wrong\nhere", where=Where(f"{HERE}/a,b.py", 3))

    assert annotation(error, HERE) == "::error file=a%2Cb.py,line=3,title=IW101::100%25 wrong%0Ahere"


def test_colour_changes_no_letter() -> None:
    """Without its colours the coloured text is the plain one."""
    from imagewright.cli.terminal import clean

    for error in FAILURES.values():
        coloured = "\n".join(error_lines(error, Terminal(colour=True), HERE))

        assert "\x1b[" in coloured
        assert clean(coloured) + "\n" == text_of(error)


def test_an_unknown_exception_asks_for_a_report() -> None:
    """What nobody has words for says so, and how to report it."""
    assert text_of(unexpected(KeyError("x"))).splitlines() == [
        "error[IW100]: imagewright failed in a way that it does not know: KeyError: 'x'",
        "  help: this is a mistake in imagewright: run it again with -v, and report what it says",
    ]


def test_a_full_disk_is_said_wherever_it_shows() -> None:
    """Any write may find no space; the words and the exit code are the same."""
    error = unexpected(OSError(errno.ENOSPC, "No space left on device", "/cache/locks/x"))

    assert (error.code, error.exit_code) == ("IW522", 5)
    assert text_of(error).splitlines()[0] == "error[IW522]: no space is left to write /cache/locks/x"
    assert unexpected(OSError(errno.EDQUOT, "Disk quota exceeded")).what == "no space is left"


def test_a_file_that_may_not_be_used_is_named() -> None:
    """A folder that belongs to somebody else is no mistake of the program."""
    error = unexpected(PermissionError(errno.EACCES, "Permission denied", "/cache/records"))

    assert text_of(error).splitlines()[0] == "error[IW520]: /cache/records cannot be used: Permission denied"
    assert unexpected(PermissionError("no file is named")).code == "IW100"
