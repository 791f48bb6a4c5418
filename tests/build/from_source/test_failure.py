"""What a failed build says, and what it advises."""

from collections.abc import Sequence

import pytest
from tests.conftest import Golden

from imagewright.build.from_source.failure import failed, wants_compiler
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import Where
from imagewright.packages.pypi.source import Source
from imagewright.sandbox.bubblewrap import Ended

SOURCE = Source("sdist", "https://example.com/psycopg2-2.9.9.tar.gz", name="psycopg2", version="2.9.9")
WHERE = Where("/home/alice/demo/app.py", 4, 'image = ImageSpec(packages=["psycopg2==2.9.9"])', "psycopg2")


def fixes(lines: Sequence[str]) -> str:
    ended = Ended(1, None, False, False, False, "", 2.0)
    return "\n".join(failed("demo 1", SOURCE, "demo", ended, lines, None, timeout=60).fix)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory", "libpq-dev"),
        ("src/x.c:3:10: fatal error: libxml/xmlversion.h: No such file or directory", "libxml2-dev"),
        ("/usr/bin/ld: cannot find -lsasl2: No such file or directory", "libsasl2-dev"),
        ("Package cairo was not found in the pkg-config search path.", "libcairo2-dev"),
        ('meson.build:5:0: ERROR: Dependency "openblas" not found, tried pkgconfig', "libopenblas-dev"),
        ("Error: pg_config executable not found.", "libpq-dev"),
        ("/bin/sh: 1: mysql_config: not found", "default-libmysqlclient-dev"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", "cmake"),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "cargo"),
        ("x.c:1:10: fatal error: nobody-knows.h: No such file or directory", "build_apt_packages"),
        ("ModuleNotFoundError: No module named 'numpy'", '{"build_requires": {"demo": ["numpy"]}}'),
        ("ModuleNotFoundError: No module named 'pkg_resources'", '"setuptools<81"'),
        ("LookupError: setuptools-scm was unable to detect version for /x", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("curl: (6) Could not resolve host: example.com", '"build_network": True'),
        ("something else", "a version that has a wheel"),
    ],
)
def test_what_is_missing_is_recognised(line: str, advice: str) -> None:
    """With the Debian package or the option that gives it, also when much was said after it."""
    assert advice in fixes(["running build_ext", line, *(f"{number}" for number in range(20))])


def test_a_compiler_that_is_missing_is_recognised() -> None:
    """Such a build is tried again with one."""
    assert wants_compiler(["error: command 'gcc' failed: No such file or directory"])
    assert wants_compiler(["error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory"])
    assert not wants_compiler(["error: command '/usr/bin/gcc' failed with exit code 1"])


def test_the_whole_text(golden: Golden) -> None:
    """The line that says what was wrong, the last ones, and both ways to have the header."""
    lines = [
        "running build_ext",
        "building 'psycopg2._psycopg' extension",
        "In file included from psycopg/adapter_asis.c:28:",
        "./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory",
        "   36 | #include <libpq-fe.h>",
        "      |          ^~~~~~~~~~~~",
        "compilation terminated.",
        "error: command '/usr/bin/x86_64-linux-gnu-gcc' failed with exit code 1",
    ]
    error = failed(
        "psycopg2 2.9.9", SOURCE, "psycopg2", Ended(1, None, False, False, False, "", 2.0), lines, WHERE, timeout=60
    )

    from pathlib import Path

    text = error_lines(error, Terminal(100, colour=False, live=False), Path("/home/alice/demo"))
    golden("cli/errors/build-from-source.txt", "\n".join(text) + "\n")
