"""How a step that failed is told."""

from collections.abc import Callable
from pathlib import Path

from imagewright.build.kept_lines import KeptLines
from imagewright.build.step import Origin, Step
from imagewright.build.step_failure import failed
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import Where
from imagewright.sandbox.bubblewrap import Ended

APT = """\
Setting up libfoo1:amd64 (1.0) ...
foo: cannot find the user 'foo'
dpkg: error processing package libfoo1:amd64 (--configure):
 installed libfoo1:amd64 package post-installation script subprocess returned error exit status 3
dpkg: dependency problems prevent configuration of foo:
 foo depends on libfoo1 (= 1.0); however:
  Package libfoo1:amd64 is not configured yet.

dpkg: error processing package foo (--configure):
 dependency problems - leaving unconfigured
Errors were encountered while processing:
 libfoo1:amd64
 foo
E: Sub-process /usr/bin/dpkg returned an error code (1)"""


def test_apt_shows_the_script_that_failed_first(golden: Callable[[str, str], None]) -> None:
    """Not only the packages that could not be configured because of it, and that dpkg returned an error code."""
    where = Where("/home/alice/demo/app.py", 4, 'apt_packages=["foo"]')
    origin = Origin("apt_packages", "foo", where=where)
    step = Step("apt packages foo", (), ("/bin/sh",), {}, "/", network=False, origin=origin)
    output = KeptLines()
    for line in APT.split("\n"):
        output.add(line)

    error = failed(step, "demo", Ended(100, None, False, False, False, "", 2.04), output, below=3, one_user=False)

    lines = error_lines(error, Terminal(), Path("/home/alice/demo"))
    golden("cli/errors/apt-script-failed.txt", "".join(f"{line}\n" for line in lines))
