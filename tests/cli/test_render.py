"""Events become the transcript of the first run, line by line."""

import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from imagewright.cli.render import Console
from imagewright.errors import LockError, TaskError, Where
from imagewright.events import (
    BaseReady,
    BlobPushed,
    BuildStarted,
    Event,
    FileDownloaded,
    ImageFound,
    ImagePublished,
    LayerReady,
    Noted,
    PlatformBegun,
    Resolved,
    TaskEnded,
    TaskOutput,
    TaskStarted,
)
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.oci.reference import Reference

Golden = Callable[[str, str], None]

HERE = Path("/home/alice/demo")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def blob(name: str, size: int) -> Descriptor:
    return Descriptor(LAYER_GZIP, digest_of(name.encode()), size)


def image(name: str, registry: str = "localhost:30000") -> Reference:
    return Reference(registry, name, "t", digest_of(name.encode()))


NUMPY, RUNTIME = blob("numpy", 14_100_000), blob("runtime", 300_000)

NEW_IMAGE: Sequence[Event] = (
    BuildStarted("demo", "linux/amd64", f"{HERE}/app.py:4"),
    Resolved("demo", 2, "3.11", "glibc 2.36", "resolved", 0.41),
    BaseReady("demo", "debian 12 + python 3.11", "remembered", 0.0),
    FileDownloaded("https://example.com/numpy-2.3.5-cp311-cp311-linux_x86_64.whl", 16_600_000, 0.9),
    LayerReady("demo", "runtime 0.4.0", RUNTIME, "registry", 300_000, 0.0),
    LayerReady("demo", "numpy 2.3.5", NUMPY, "written", 16_600_000, 0.3),
    BlobPushed(NUMPY, "uploaded"),
    BlobPushed(RUNTIME, "present"),
    ImagePublished("demo", image("demo"), 5, 4, 14_100_000, 0.9, 0.2),
)


TWO_PLATFORMS: Sequence[Event] = (
    BuildStarted("demo", "linux/amd64,linux/arm64", f"{HERE}/app.py:4"),
    PlatformBegun("demo", "linux/amd64"),
    Resolved("demo", 2, "3.11", "glibc 2.36", "resolved", 0.41),
    PlatformBegun("demo", "linux/arm64"),
    Resolved("demo", 2, "3.11", "glibc 2.36", "resolved", 0.38),
    PlatformBegun("demo", "linux/amd64"),
    LayerReady("demo", "numpy 2.3.5", NUMPY, "written", 16_600_000, 0.3),
    PlatformBegun("demo", "linux/arm64"),
    LayerReady("demo", "runtime 0.4.0", RUNTIME, "known", 300_000, 0.0),
    ImagePublished("demo", image("demo", ""), 3, 2, 0, 0.9, 0.0),
)


def show(events: Sequence[Event], err: io.StringIO | None = None, **options: Any) -> str:
    err = err or io.StringIO()
    console = Console(io.StringIO(), err, options.pop("environ", {}), directory=HERE, **options)
    with console.closing():
        for event in events:
            console.listen(event)
    return err.getvalue()


def test_a_new_image_reads_as_the_transcript(golden: Golden) -> None:
    """What is new has a line each, what is there is said shortly, the result is counted."""
    golden("cli/render/new-image.txt", show(NEW_IMAGE))


def test_the_lines_of_each_platform_stand_below_its_name(golden: Golden) -> None:
    """What was there is told with its own platform, not with the next one."""
    golden("cli/render/two-platforms.txt", show(TWO_PLATFORMS))
    golden("cli/render/two-platforms-plain.txt", show(TWO_PLATFORMS, progress="plain"))


def test_plain_has_one_marked_line_for_each_fact(golden: Golden) -> None:
    """For logs: nothing is laid out, nothing is drawn over, each line says whose it is."""
    golden("cli/render/new-image-plain.txt", show(NEW_IMAGE, progress="plain"))


def test_verbose_names_every_file(golden: Golden) -> None:
    """With ``-v`` files have lines too."""
    golden("cli/render/new-image-verbose.txt", show(NEW_IMAGE, verbose=True))


def test_quiet_says_nothing() -> None:
    """Not even notes."""
    assert show([*NEW_IMAGE, Noted("something")], progress="quiet") == ""


def test_an_image_that_is_there_has_one_line() -> None:
    """Nothing was built, and that is said."""
    text = show([ImageFound("demo", "linux/amd64", image("demo"), 0.05)])

    assert text == f"{'demo  unchanged':<79}0.05s\n"


def test_many_layers_that_are_there_are_one_line() -> None:
    """Twelve remembered layers do not push away the one that is new."""
    known = [LayerReady("demo", f"package{n} 1.{n}", blob(str(n), 1_000_000), "known", 0, 0.0) for n in range(12)]

    text = show(
        [BuildStarted("demo", "linux/amd64", ""), *known, ImagePublished("demo", image("demo", ""), 12, 12, 0, 0.2)]
    )

    assert text.splitlines()[1:] == [
        "  reused     12 layers, 12.0 MB           already in the store",
        "Built demo in 0.2s: 12 of 12 layers reused",
    ]


@pytest.mark.parametrize("title", ["opencv-python 4.10.0.84", "pip 26.3.1.post1", "six 1.17.0", "a group, of several"])
def test_a_title_and_a_size_never_touch(title: str) -> None:
    """However long name and version are."""
    text = show([LayerReady("demo", title, blob("x", 62_500_000), "written", 62_500_000, 1.0)])

    assert re.search(r"\S +62\.5 MB  -> layer 62\.5 MB", text)
    assert not re.search(r"[0-9a-z]62\.5", text)


def test_lines_of_two_images_never_mix() -> None:
    """The first image's lines come as they are; the second's when the first is complete."""
    text = show(
        [
            BuildStarted("one", "linux/amd64", ""),
            BuildStarted("two", "linux/amd64", ""),
            Resolved("two", 1, "3.9", "glibc 2.31", "resolved", 0.1),
            Resolved("one", 2, "3.11", "glibc 2.36", "resolved", 0.2),
            ImagePublished("two", image("two", ""), 1, 0, 0, 0.5),
            ImageFound("three", "linux/amd64", image("three"), 0.2),
            ImagePublished("one", image("one", ""), 2, 0, 0, 0.9),
        ]
    )

    assert [line.split()[0] for line in text.splitlines()] == [
        "one",
        "resolved",
        "Built",
        "two",
        "resolved",
        "Built",
        "three",
    ]


def test_lines_of_an_image_that_failed_are_shown_with_the_error() -> None:
    """What waited is printed before the error, so nothing that happened is hidden."""
    err = io.StringIO()
    console = Console(io.StringIO(), err, {}, directory=HERE)

    console.listen(BuildStarted("one", "linux/amd64", ""))
    console.listen(BuildStarted("two", "linux/amd64", ""))
    console.listen(Resolved("two", 1, "3.9", "glibc 2.31", "resolved", 0.1))
    console.error(LockError("no"))

    assert [line.split()[0] for line in err.getvalue().splitlines()] == ["one", "two", "resolved", "error[IW200]:"]


def test_the_live_line_is_drawn_over_and_gone_at_the_end() -> None:
    """On a terminal the last activity is shown, and no trace of it is left."""
    raw = show(NEW_IMAGE, Terminal(), environ={"NO_COLOR": "1"})

    assert "fetched 1 files" in raw
    left = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)", "", raw).replace("\r\x1b[K", "")
    assert left == show(NEW_IMAGE)


def test_nothing_is_drawn_in_ci() -> None:
    """A CI job's terminal is a log."""
    assert "\x1b" not in show(NEW_IMAGE, Terminal(), environ={"NO_COLOR": "1", "CI": "true"})


def test_colour_changes_no_letter() -> None:
    """Without its colours the coloured text is the plain one."""
    raw = show(NEW_IMAGE, Terminal(), environ={"FORCE_COLOR": "1", "CI": "true"})

    assert "\x1b[" in raw
    assert re.sub(r"\x1b\[[0-9;]*m", "", raw) == show(NEW_IMAGE)


def test_tasks_have_their_output_marked_and_their_end_timed() -> None:
    """Output of tasks is talk: it goes to stderr, with the name of the call."""
    text = show(
        [
            TaskStarted("squares", "squares", "demo"),
            TaskOutput("squares", "stdout", "counting \x1b]0;evil\x07"),
            TaskEnded("squares", "squares", "demo", "succeeded", 1.84),
        ]
    )

    assert text == "  squares | counting \n  squares   demo   succeeded  1.8s\n"


def test_a_note_is_said_once() -> None:
    """However often it is told."""
    assert show([Noted("pip's settings are passed on"), Noted("pip's settings are passed on")]).count("pip's") == 1


def test_the_result_alone_is_on_stdout() -> None:
    """Talk and results never share a stream."""
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err, {}, directory=HERE)

    for event in NEW_IMAGE:
        console.listen(event)
    console.answer("localhost:30000/demo@sha256:3f0c", {"reference": "localhost:30000/demo@sha256:3f0c"})

    assert out.getvalue() == "localhost:30000/demo@sha256:3f0c\n"


def test_json_is_one_object_on_stdout() -> None:
    """The result, or the error that took its place."""
    answered, failed = io.StringIO(), io.StringIO()

    Console(answered, io.StringIO(), {}, output="json", directory=HERE).answer("text", {"reference": "demo"})
    Console(failed, io.StringIO(), {}, output="json", directory=HERE).error(LockError("no such package"))

    assert json.loads(answered.getvalue()) == {"reference": "demo"}
    assert json.loads(failed.getvalue())["code"] == "IW200"


def test_a_tasks_own_traceback_comes_before_its_error() -> None:
    """The traceback of the user's code is shown whole, ours is not."""
    err = io.StringIO()

    Console(io.StringIO(), err, {}, directory=HERE).error(
        TaskError(
            "task 'squares' failed: ZeroDivisionError", traceback="Traceback\n  app.py line 9\nZeroDivisionError\n"
        )
    )

    assert err.getvalue().splitlines() == [
        "  | Traceback",
        "  |   app.py line 9",
        "  | ZeroDivisionError",
        "error[IW310]: task 'squares' failed: ZeroDivisionError",
    ]


@pytest.mark.parametrize("verbose", [True, False])
def test_our_own_traceback_needs_v(verbose: bool) -> None:
    """A person does not want to read our source."""
    err = io.StringIO()
    console = Console(io.StringIO(), err, {}, verbose=verbose, directory=HERE)

    try:
        raise LockError("no")
    except LockError as error:
        console.error(error)

    assert ("Traceback" in err.getvalue()) is verbose


def test_github_gets_an_annotation() -> None:
    """The line is marked in the pull request."""
    err = io.StringIO()

    Console(io.StringIO(), err, {"GITHUB_ACTIONS": "true"}, directory=HERE).error(
        LockError("no such package", code="IW201", where=Where(f"{HERE}/app.py", 4))
    )

    assert "::error file=app.py,line=4,title=IW201::no such package" in err.getvalue().splitlines()
