"""py-rattler solves over channels in folders: for this platform and for others, and says what is wrong."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import BinaryIO

import pytest

from imagewright.errors import CredentialsError, ImagewrightError, LockError, NetworkError, SpecError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.conda.channels import Channels
from imagewright.packages.conda.resolve import CondaRequest, Rattler, resolve_conda
from imagewright.testing.conda import make_package, write_channel

PREFIX = "/opt/imagewright-conda"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """numpy for two platforms, one that needs a new glibc, one that needs CUDA, and Python code for all."""

    def package(name: str, version: str, *depends: str, subdir: str = "linux-64", noarch: str = "") -> object:
        return make_package(name, version, {}, depends=depends, subdir=subdir, noarch=noarch)

    made = [
        package("python", "3.11.7", "__glibc >=2.17"),
        package("python", "3.12.1", "__glibc >=2.17"),
        package("numpy", "1.26.4", "python 3.11.*"),
        package("numpy", "2.0.0", "python 3.12.*"),
        package("numpy", "1.26.4", subdir="linux-aarch64"),
        package("onlyarm", "1.0", subdir="linux-aarch64"),
        package("new", "1.0", "__glibc >=2.40"),
        package("gpu", "1.0", "__cuda >=12"),
        package("fast", "1.0", "__archspec 1 x86_64", "__linux >=4"),
        package("pure", "1.0", "python >=3.9", "numpy", subdir="noarch", noarch="python"),
        package("broken", "1.0", "gone >=2"),
    ]
    return write_channel(tmp_path_factory.mktemp("conda") / "channel", made)  # type: ignore[arg-type]


@pytest.fixture
def rattler(tmp_path: Path) -> Rattler:
    return Rattler(tmp_path / "cache", {"HOME": str(tmp_path)})


def asked(channel: Path, *specs: str, python: str = "", **more: object) -> CondaRequest:
    channels = Channels((f"file://{channel}",))
    request = CondaRequest(specs, channels, Platform("linux", "amd64"), ("glibc", "2.36"), python, image="demo")
    return replace(request, **more)  # type: ignore[arg-type]


def pin(url: str, digest: Digest | None) -> InputFile:
    raise AssertionError(f"the channel says all of {url}")


def solved(request: CondaRequest, rattler: Rattler) -> Mapping[str, str]:
    return {one.name: one.version for one in resolve_conda(request, PREFIX, rattler, pin).packages}


def test_what_is_needed_comes_before_what_needs_it(channel: Path, rattler: Rattler) -> None:
    """With digests and sizes; the Python that is wanted decides the rest."""
    found = resolve_conda(asked(channel, "pure", python="3.11"), PREFIX, rattler, pin)

    assert [(one.name, one.version) for one in found.packages] == [
        ("python", "3.11.7"),
        ("numpy", "1.26.4"),
        ("pure", "1.0"),
    ]
    assert (found.python, found.prefix, found.asked) == ("3.11.7", PREFIX, ("pure",))
    assert found.packages[2].noarch == "python"
    assert all(one.file.size > 0 and one.file.url.startswith("channel:channel/") for one in found.packages)
    assert solved(asked(channel, "pure"), rattler)["python"] == "3.12.1"


def test_the_target_is_solved_for_and_not_this_machine(channel: Path, rattler: Rattler) -> None:
    """Its architecture, its glibc, its kernel, and its CUDA where one is said."""
    arm = asked(channel, "numpy", platform=Platform("linux", "arm64"))

    assert resolve_conda(arm, PREFIX, rattler, pin).packages[0].subdir == "linux-aarch64"
    assert solved(asked(channel, "fast"), rattler) == {"fast": "1.0"}
    assert solved(asked(channel, "gpu", cuda="12.4"), rattler) == {"gpu": "1.0"}
    assert solved(asked(channel, "new", libc=("glibc", "2.41")), rattler) == {"new": "1.0"}


def test_what_is_installed_below_stays_and_is_not_installed_again(channel: Path, rattler: Rattler) -> None:
    """Only what is new is in the lock."""
    below = resolve_conda(asked(channel, "numpy", python="3.11"), PREFIX, rattler, pin).packages

    assert solved(asked(channel, "pure", installed=below), rattler) == {"pure": "1.0"}


@contextmanager
def served(folder: Path, *, status: int = 200) -> Iterator[str]:
    """The folder, by HTTP on a free port; or an answer of this status to every question."""

    class Quiet(SimpleHTTPRequestHandler):
        def send_head(self) -> io.BytesIO | BinaryIO | None:
            if status == 200:
                return super().send_head()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


FAILING: dict[str, tuple[tuple[str, ...], dict[str, object], type[ImagewrightError], str, str]] = {
    "unknown": (("numpyy",), {}, LockError, "IW201", "did you mean 'numpy'"),
    "needed and unknown": (("broken",), {}, LockError, "IW201", "another package needs it"),
    "other platform": (("onlyarm",), {}, LockError, "IW203", "'onlyarm' is not made for linux/amd64"),
    "no such version": (("numpy==9",), {}, LockError, "IW202", "numpy is there as 2.0.0, 1.26.4"),
    "no such python": (("pure",), {"python": "3.13"}, LockError, "IW202", "python_version='3.13'"),
    "do not fit": (("numpy=2", "python=3.11"), {}, LockError, "IW202", "numpy 2.0.0 would require"),
    "old glibc": (("new",), {}, LockError, "IW202", "__glibc >=2.40"),
    "no cuda": (("gpu",), {}, LockError, "IW202", 'cuda="12.4"'),
    "no match spec": (("numpy >=>1",), {}, SpecError, "IW102", "'numpy >=>1' is not a match spec"),
    "musl": (("numpy",), {"libc": ("musl", "1.2")}, LockError, "IW204", "conda packages need glibc"),
    "platform": (("numpy",), {"platform": Platform("linux", "s390x")}, LockError, "IW204", "linux/s390x"),
    "no channel": (("numpy",), {"channels": Channels(("file:///none",))}, LockError, "IW201", "no conda channel at"),
    "no answer": (
        ("numpy",),
        {"channels": Channels(("http://bob:secret@127.0.0.1:9/c",))},
        NetworkError,
        "IW502",
        "127.0.0.1:9 did not answer",
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_what_cannot_be_is_said(what: str, channel: Path, rattler: Rattler) -> None:
    """With the code, the reason and something to type, within twelve lines, and without a secret."""
    specs, more, kind, code, words = FAILING[what]

    with pytest.raises(kind) as failed:
        resolve_conda(replace(asked(channel, *specs), **more), PREFIX, rattler, pin)  # type: ignore[arg-type]

    assert failed.value.code == code
    assert words in str(failed.value)
    assert failed.value.fix
    assert len(str(failed.value).splitlines()) <= 12
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(("status", "code"), [(401, "IW401"), (403, "IW403")])
def test_a_channel_that_wants_a_login(status: int, code: str, channel: Path, rattler: Rattler) -> None:
    """It is no channel that does not answer; where a login was looked for is said."""
    with served(channel, status=status) as url, pytest.raises(CredentialsError) as refused:
        resolve_conda(asked(channel, "pure", channels=Channels((url,))), PREFIX, rattler, pin)

    assert refused.value.code == code
    assert "RATTLER_AUTH_FILE" in refused.value.why[0]


def test_a_channel_that_was_asked_before_is_not_needed_offline(channel: Path, tmp_path: Path) -> None:
    """Its index is in the cache, however old it is."""
    with served(channel) as url:
        request = asked(channel, "pure", channels=Channels((url,)))
        online = solved(request, Rattler(tmp_path / "cache", {"HOME": str(tmp_path)}))

    assert solved(request, Rattler(tmp_path / "cache", {"HOME": str(tmp_path)}, offline=True)) == online


def test_offline_needs_nothing_of_a_folder_and_says_what_it_needs_of_a_channel(channel: Path, tmp_path: Path) -> None:
    """A channel that was never asked is not in the cache."""
    offline = Rattler(tmp_path / "cache", {"HOME": str(tmp_path)}, offline=True)

    assert solved(asked(channel, "numpy", python="3.11"), offline)
    with pytest.raises(LockError) as missing:
        resolve_conda(asked(channel, "numpy", channels=Channels(("http://127.0.0.1:9/c",))), PREFIX, offline, pin)
    assert missing.value.code == "IW205"
