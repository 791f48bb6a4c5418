"""`imagewright shell`: as a person types it, over an image and over what a failed build has left."""

from pathlib import Path

import pytest
from tests.build.test_steps import Bench, TarLayer, base, steps_of
from tests.cli.conftest import Run
from tests.sandbox.small_images import busybox_layer

from imagewright.errors import BuildError
from imagewright.spec import ImageSpec

__all__ = ["base", "busybox_layer"]

COMMANDS = ["echo 1 > /one", "echo 2 > /two", "echo 3 > /three; false"]
LIST = "ls / | busybox grep -E 'one|two|three'; true"


@pytest.fixture
def cache(tmp_path: Path, base: TarLayer) -> Path:
    """A cache in which the build of ``demo`` has failed at its third command."""
    bench = Bench(tmp_path / "cache")
    with pytest.raises(BuildError):
        bench.publish(base, *steps_of(ImageSpec("demo", commands=COMMANDS), base))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ((), "one two"),
        (("--at", "3"), "one two"),
        (("--at", "2"), "one"),
        (("--at", "1"), ""),
        (("--after", "0"), ""),
        (("--after", "1"), "one"),
        (("--after", "2"), "one two"),
        (("--no-network", "--after", "1"), "one"),
    ],
)
def test_it_is_as_it_was_at_that_layer_or_after_that_command(
    run: Run, cache: Path, options: tuple[str, ...], seen: str
) -> None:
    """Options stand before the image or after it."""
    after = run("shell", "demo:failed", *options, "sh", "-c", LIST)
    before = run("shell", *options, "demo", "--", "sh", "-c", LIST)

    assert after.stdout.split() == before.stdout.split() == sorted(seen.split()), after.stderr


def test_it_takes_what_is_typed_and_gives_the_exit_code(run: Run, cache: Path) -> None:
    """A shell reads this program's stdin; what it writes is gone."""
    first = run("shell", "demo", "--user", "1000", "sh", "-c", "busybox id -u; exit 7")
    run("shell", "demo", "touch", "/three")
    again = run("shell", "demo", "ls", "/three")

    assert (first.returncode, first.stdout) == (7, "1000\n")
    assert again.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing-like-it",), "there is no image 'nothing-like-it' in the local store"),
        (("demo", "--at", "9"), "demo has 3 layers, not 9"),
        (("demo", "--after", "3"), "demo has the layers of 2 commands, not 3"),
        (("demo", "--at", "1", "--after", "1"), "--at and --after cannot be given together"),
        (("demo", "nosuch"), "the image has no 'nosuch' on "),
        (("demo", "/bin/nosuch"), "the image has no '/bin/nosuch'"),
        (("demo", "--user", "nobody2", "ls"), "the image has no user 'nobody2'"),
        (("demo", "--att", "1"), "did you mean --at?"),
        ((), "missing argument 'IMAGE'"),
    ],
)
def test_mistakes_are_answered(run: Run, cache: Path, arguments: tuple[str, ...], said: str) -> None:
    """Each names what was typed, and nothing is started."""
    done = run("shell", *arguments)

    assert done.returncode in (2, 5)
    assert said in done.stderr
