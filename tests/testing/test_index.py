"""The package index for tests speaks both forms of the simple API, and does wrong what it is told to do wrong."""

import json
import urllib.error
import urllib.request
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from imagewright.oci.digest import hex_of
from imagewright.testing.index import Fault, PackageIndex
from imagewright.testing.wheels import make_sdist, make_wheel

DEMO = make_wheel("Demo.Thing", "1.0", requires=["idna>=3"], requires_python=">=3.9")


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    with urllib.request.urlopen(request) as answer:
        return answer.status, dict(answer.headers), answer.read()


def test_a_project_page_is_html_or_json_as_it_is_asked_for() -> None:
    """Both tell the file, its digest, its Python and where its metadata is; the project's name is normalised."""
    with PackageIndex([DEMO]).serve() as url:
        _, _, page = get(url + "demo-thing/")
        _, headers, text = get(url + "demo-thing/", Accept="application/vnd.pypi.simple.v1+json")

    (file,) = json.loads(text)["files"]
    assert headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
    assert file["hashes"] == {"sha256": hex_of(DEMO.digest)}
    assert (file["size"], file["requires-python"]) == (len(DEMO.data), ">=3.9")
    assert f"#sha256={hex_of(DEMO.digest)}" in page.decode()
    assert 'data-requires-python="&gt;=3.9"' in page.decode()


def test_files_metadata_and_ranges() -> None:
    """The wheel, its metadata file, and a part of the wheel can be fetched; an outdated If-Range gives the whole."""
    with PackageIndex([DEMO]).serve() as url:
        base = url.replace("/simple/", "/files/") + DEMO.filename
        _, headers, whole = get(base)
        status, _, rest = get(base, Range="bytes=10-", If_Range=headers["ETag"])
        outdated, _, again = get(base, Range="bytes=10-", If_Range='"other"')
        _, _, metadata = get(base + ".metadata")

    assert (whole, metadata) == (DEMO.data, DEMO.metadata)
    assert (status, rest) == (206, DEMO.data[10:])
    assert (outdated, again) == (200, DEMO.data)


def test_faults_come_as_often_as_told() -> None:
    """A status, a dropped connection and a flipped bit, once each; then the truth."""
    index = PackageIndex([DEMO], faults=[Fault(DEMO.filename, 503), Fault(DEMO.filename, "flip")])
    with index.serve() as url:
        base = url.replace("/simple/", "/files/") + DEMO.filename
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(base)
        _, _, flipped = get(base)
        _, _, right = get(base)
        index.faults[:] = [Fault("/simple/demo-thing/", "drop")]
        index.faults += [Fault("never", 500)]

    assert flipped != DEMO.data
    assert right == DEMO.data
    assert [asked.path for asked in index.asked] == [f"/files/{DEMO.filename}"] * 3


def test_a_dropped_connection_gives_no_answer() -> None:
    """ "drop" ends the connection before an answer."""
    with (
        PackageIndex([DEMO], faults=[Fault("/demo-thing/", "drop")]).serve() as url,
        pytest.raises(RemoteDisconnected),
    ):
        get(url + "demo-thing/")


def test_a_login_is_asked_for() -> None:
    """Without the login nothing is told, with it everything."""
    with PackageIndex([DEMO], login=("user", "word")).serve() as url:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(url + "demo-thing/")
        status, _, _ = get(url + "demo-thing/", Authorization="Basic dXNlcjp3b3Jk")

    assert status == 200


def test_a_folder_of_wheels_can_be_written(tmp_path: Path) -> None:
    """The files as find-links takes them; equal arguments make equal bytes."""
    PackageIndex([DEMO, make_sdist("other", "2")]).write(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["Demo_Thing-1.0-py3-none-any.whl", "other-2.tar.gz"]
    again = make_wheel("Demo.Thing", "1.0", requires=["idna>=3"], requires_python=">=3.9")
    assert (tmp_path / DEMO.filename).read_bytes() == again.data
