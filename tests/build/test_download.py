"""Downloads: by digest, checked, resumed, shared, and honest about what went wrong."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagewright.build.download import Downloads
from imagewright.errors import CredentialsError, IntegrityError, LockError, NetworkError, StoreError
from imagewright.events import Event, FileDownloaded
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.testing.index import Fault, PackageIndex
from imagewright.testing.wheels import MadeFile, make_wheel
from imagewright.transport import Transport

WHEEL = make_wheel("demo", "1.0", files={"demo.py": b"x = 1\n", "data.bin": bytes(range(256)) * 8000})


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    made = PackageIndex([WHEEL])
    with made.serve():
        yield made


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as made:
        yield made


def locked(index: PackageIndex, wheel: MadeFile = WHEEL) -> InputFile:
    return InputFile(index.url.replace("/simple/", "/files/") + wheel.filename, wheel.digest, len(wheel.data))


def requests(index: PackageIndex) -> list[str]:
    return [asked.headers.get("range", "whole") for asked in index.asked if asked.method == "GET"]


def test_a_file_is_downloaded_once(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """It lies under its digest; a second `Downloads` on the folder asks for nothing."""
    told: list[Event] = []

    path = Downloads(tmp_path, transport, listen=told.append).path(locked(index))
    again = Downloads(tmp_path, transport, listen=told.append).path(locked(index))

    assert path == again == tmp_path / "sha256" / hashlib.sha256(WHEEL.data).hexdigest()
    assert path.read_bytes() == WHEEL.data
    assert requests(index) == ["whole"]
    assert [type(event) for event in told] == [FileDownloaded]
    assert list(path.parent.iterdir()) == [path]


def test_threads_share_a_download(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """Eight threads and two `Downloads` that want one file make one request, and no part of it stays."""
    both = [Downloads(tmp_path, transport), Downloads(tmp_path, transport)]

    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda number: both[number % 2].path(locked(index)), range(8)))

    assert len(paths) == 1
    assert set((tmp_path / "sha256").iterdir()) == paths
    assert requests(index) == ["whole"]


def test_processes_share_a_download(index: PackageIndex, tmp_path: Path) -> None:
    """Three processes that want one file at the same time make one request, and all get it."""
    file = locked(index)
    script = (
        "import sys; from pathlib import Path; from imagewright.build.download import Downloads;"
        "from imagewright.layer.planned import InputFile; from imagewright.transport import Transport;"
        "print(Downloads(Path(sys.argv[1]), Transport()).path(InputFile(sys.argv[2], sys.argv[3], int(sys.argv[4]))))"
    )
    command = [sys.executable, "-c", script, str(tmp_path), file.url, file.digest, str(file.size)]

    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate(timeout=60)[0].strip() for process in running}

    assert [process.returncode for process in running] == [0, 0, 0]
    assert {Path(path).read_bytes() for path in paths} == {WHEEL.data}
    assert [str(path) for path in (tmp_path / "sha256").iterdir()] == list(paths)
    assert requests(index) == ["whole"]


def test_what_broke_off_is_resumed(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """The second request asks for the rest alone, of the same version of the file."""
    index.faults.append(Fault(WHEEL.filename, "cut"))

    path = Downloads(tmp_path, transport).path(locked(index))

    assert path.read_bytes() == WHEEL.data
    assert requests(index) == ["whole", f"bytes={len(WHEEL.data) // 2}-"]
    assert index.asked[-1].headers["if-range"].startswith('"')


def test_a_part_of_an_earlier_run_is_resumed(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """A part file that a killed process left is completed, without an ETag as well."""
    part = tmp_path / "sha256" / (hashlib.sha256(WHEEL.data).hexdigest() + ".part")
    part.parent.mkdir()
    part.write_bytes(WHEEL.data[:1000])

    path = Downloads(tmp_path, transport).path(locked(index))

    assert path.read_bytes() == WHEEL.data
    assert requests(index) == ["bytes=1000-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_of_other_bytes_is_downloaded_anew(
    index: PackageIndex, transport: Transport, tmp_path: Path, ranges: bool
) -> None:
    """Whatever was in the part file, only the right bytes get the file's name."""
    index.ranges = ranges
    part = tmp_path / "sha256" / (hashlib.sha256(WHEEL.data).hexdigest() + ".part")
    part.parent.mkdir()
    part.write_bytes(b"something else entirely")

    assert Downloads(tmp_path, transport).path(locked(index)).read_bytes() == WHEEL.data


def test_a_longer_part_is_thrown_away(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """A part that is as long as the file, or longer, and wrong, does not stand in the way."""
    part = tmp_path / "sha256" / (hashlib.sha256(WHEEL.data).hexdigest() + ".part")
    part.parent.mkdir()
    part.write_bytes(b"x" * (len(WHEEL.data) + 1))

    assert Downloads(tmp_path, transport).path(locked(index)).read_bytes() == WHEEL.data


def test_flipped_bytes_are_downloaded_once_more(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """One wrong answer is made good."""
    index.faults.append(Fault(WHEEL.filename, "flip"))

    assert Downloads(tmp_path, transport).path(locked(index)).read_bytes() == WHEEL.data
    assert requests(index) == ["whole", "whole"]


def test_another_file_under_the_name_is_refused(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """Two wrong answers are an error that names both digests, and nothing is kept."""
    index.faults.append(Fault(WHEEL.filename, "flip", times=9))

    with pytest.raises(IntegrityError, match="is not the file that was locked") as caught:
        Downloads(tmp_path, transport).path(locked(index))

    assert caught.value.code == "IW510"
    assert WHEEL.digest in caught.value.why[0]
    assert requests(index) == ["whole", "whole"]
    assert not any(path.stat().st_size for path in (tmp_path / "sha256").iterdir())


def test_a_file_of_another_size_is_refused(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """An answer that is longer than the lock says is not read to its end."""
    short = InputFile(locked(index).url, WHEEL.digest, 100)

    with pytest.raises(IntegrityError):
        Downloads(tmp_path, transport).path(short)


def test_a_server_that_always_breaks_off_is_given_up(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """Without progress the download ends with what the network said; what came is kept for the next time."""
    index.ranges = False
    index.faults.append(Fault(WHEEL.filename, "cut", times=99))

    with pytest.raises(NetworkError, match="broke off"):
        Downloads(tmp_path, transport).path(locked(index))

    assert len(requests(index)) < 12


def test_a_login_goes_to_its_index_alone(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """The header is asked for each address; without it the error says who wants a login."""
    index.login = ("user", "word")

    with pytest.raises(CredentialsError) as caught:
        Downloads(tmp_path, transport).path(locked(index))
    path = Downloads(tmp_path, transport, headers=lambda url: {"Authorization": "Basic dXNlcjp3b3Jk"}).path(
        locked(index)
    )

    assert (caught.value.code, caught.value.exit_code) == ("IW401", 4)
    assert path.read_bytes() == WHEEL.data


@pytest.mark.parametrize(("status", "kind", "code"), [(403, CredentialsError, "IW403"), (404, NetworkError, "IW503")])
def test_a_refusal_says_what_to_do(
    index: PackageIndex, transport: Transport, tmp_path: Path, status: int, kind: type[Exception], code: str
) -> None:
    """Statuses that no repetition changes are one request and an error of their own."""
    index.faults.append(Fault(WHEEL.filename, status, times=9))

    with pytest.raises(kind) as caught:
        Downloads(tmp_path, transport).path(locked(index))

    assert getattr(caught.value, "code", "") == code
    assert len(index.asked) == 1


def test_offline_names_all_that_is_missing(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """No request is made; what is there is found."""
    other = InputFile("https://example.com/other-2.0-py3-none-any.whl", digest_of(b"other"), 5)
    third = InputFile("https://example.com/third-2.0-py3-none-any.whl", digest_of(b"third"), 5)
    Downloads(tmp_path, transport).path(locked(index))
    offline = Downloads(tmp_path, transport, offline=True)

    offline.fetch_all([locked(index)])
    with pytest.raises(LockError) as caught:
        offline.fetch_all([locked(index), other, third])

    assert caught.value.code == "IW205"
    assert caught.value.why == ("other-2.0-py3-none-any.whl", "third-2.0-py3-none-any.whl")
    assert len(index.asked) == 1


def test_fetch_all_has_every_file_here(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """Several files at once, one that is wanted twice downloaded once."""
    more = [make_wheel(f"more{number}", "1") for number in range(5)]
    index.add(*more)
    downloads = Downloads(tmp_path, transport)

    downloads.fetch_all([*(locked(index, wheel) for wheel in more), locked(index), locked(index)])

    assert len(index.asked) == 6
    assert all(downloads.path(locked(index, wheel)).read_bytes() == wheel.data for wheel in more)
    assert len(index.asked) == 6


def test_addresses_are_located(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """A URL without a host is turned into an address by whoever knows the mirrors."""
    file = InputFile(f"deb:debian/{WHEEL.filename}", WHEEL.digest, len(WHEEL.data))
    place = index.url.replace("/simple/", "/files/")

    path = Downloads(tmp_path, transport, locate=lambda url: place + url.removeprefix("deb:debian/")).path(file)

    assert path.read_bytes() == WHEEL.data


def test_a_local_file_is_used_in_place(transport: Transport, tmp_path: Path) -> None:
    """No copy is made; when the file changes, that is noticed."""
    wheel = tmp_path / "a folder" / WHEEL.filename
    wheel.parent.mkdir()
    wheel.write_bytes(WHEEL.data)
    file = InputFile(wheel.as_uri(), WHEEL.digest, len(WHEEL.data))
    downloads = Downloads(tmp_path / "cache", transport)

    assert downloads.path(file) == wheel
    assert downloads.pin(wheel.as_uri(), None) == file
    wheel.write_bytes(WHEEL.data + b"!")
    with pytest.raises(IntegrityError):
        downloads.path(file)
    wheel.unlink()
    with pytest.raises(LockError, match="is not there"):
        downloads.path(file)


def test_pin_finds_the_size_without_the_file(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """With a digest one HEAD is enough."""
    pinned = Downloads(tmp_path, transport).pin(locked(index).url, WHEEL.digest)

    assert pinned == locked(index)
    assert [asked.method for asked in index.asked] == ["HEAD"]


def test_pin_without_a_digest_downloads_for_good(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """The file is then in the cache: `path` asks for nothing more."""
    downloads = Downloads(tmp_path, transport)

    pinned = downloads.pin(locked(index).url, None)

    assert pinned == locked(index)
    assert downloads.path(pinned).read_bytes() == WHEEL.data
    assert requests(index) == ["whole"]


@pytest.mark.parametrize("damage", [b"0" * len(WHEEL.data), b"short", b""])
def test_a_damaged_file_is_downloaded_again(
    index: PackageIndex, transport: Transport, tmp_path: Path, damage: bytes
) -> None:
    """A file in the cache that was changed, to the same size or another, is not used."""
    downloads = Downloads(tmp_path, transport)
    downloads.path(locked(index)).write_bytes(damage)

    assert downloads.path(locked(index)).read_bytes() == WHEEL.data
    assert requests(index) == ["whole", "whole"]


def test_a_folder_that_cannot_be_written(index: PackageIndex, transport: Transport, tmp_path: Path) -> None:
    """What cannot be written is an error of this machine, with a way out."""
    (tmp_path / "sha256").write_text("a file is in the way")

    with pytest.raises(StoreError) as caught:
        Downloads(tmp_path, transport).path(locked(index))

    assert "IMAGEWRIGHT_CACHE_DIR" in caught.value.fix[0]
