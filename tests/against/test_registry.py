"""Debian's docker-registry takes what is pushed, with and without a login, and serves it to skopeo."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.errors import CredentialsError
from imagewright.oci import media_types
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.early import WORTH_ASKING, early_upload
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.repository import Repository
from imagewright.testing.engines import missing, output_of
from imagewright.testing.images import make_image
from imagewright.testing.registry import PASSWORD, USERNAME, docker_registry
from imagewright.transport import Traffic, Transport

pytestmark = pytest.mark.tool


@pytest.fixture(scope="module")
def closed_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A docker-registry that wants a login."""
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    with docker_registry(tmp_path_factory.mktemp("closed-registry"), login=True) as place:
        yield place


def test_skopeo_inspects_and_copies_what_was_pushed(skopeo: str, registry_place: str, tmp_path: Path) -> None:
    """The digest is ours, byte for byte, after a copy as well."""
    made, source = make_image({"a": b"1"}, {"b": b"2" * 100_000}), MemoryStore()
    with Transport() as transport:
        repository = Repository(registry_place, "against/skopeo", transport)
        copy_image(source, repository, made.push_to(source), tag="latest")
    reference = f"docker://{registry_place}/against/skopeo:latest"

    said = json.loads(output_of(skopeo, "inspect", "--tls-verify=false", reference))
    output_of(skopeo, "copy", "--quiet", "--src-tls-verify=false", reference, f"dir:{tmp_path}")

    assert said["Digest"] == made.image.descriptor.digest
    assert (tmp_path / "manifest.json").read_bytes() == made.image.manifest


def test_what_skopeo_pushed_can_be_fetched(skopeo: str, registry_place: str, tmp_path: Path) -> None:
    """An image that another tool put there is resolved and read."""
    made, source = make_image({"a": b"from skopeo"}), MemoryStore()
    made.push_to(source)
    with Transport() as transport:
        theirs = Repository(registry_place, "against/theirs", transport)
        copy_image(source, theirs, made.image.descriptor, tag="one")
        output_of(
            skopeo,
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"docker://{registry_place}/against/theirs:one",
            f"docker://{registry_place}/against/copied:two",
        )
        repository = Repository(registry_place, "against/copied", transport)
        found = repository.resolve("two")
        assert found == made.image.descriptor
        copy_image(repository, here := MemoryStore(), found, tag="two")

    assert {b"".join(here.fetch(blob)) for blob in made.blobs} == set(made.blobs.values())


def test_a_login_from_dockers_file(closed_place: str, tmp_path: Path) -> None:
    """With the login the push succeeds; without it the error says that one is wanted."""
    made, source = make_image({"a": b"1"}), MemoryStore()
    descriptor = made.push_to(source)
    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {closed_place: {"username": USERNAME, "password": PASSWORD}}}))
    with Transport() as transport:
        with pytest.raises(CredentialsError, match="wants a login to push acme/closed, and none was found"):
            copy_image(source, Repository(closed_place, "acme/closed", transport), descriptor, tag="latest")

        repository = Repository(closed_place, "acme/closed", transport, Keychain({}, tmp_path))
        copy_image(source, repository, descriptor, tag="latest")

        assert repository.resolve("latest") == descriptor


def test_a_second_push_sends_the_manifest_alone(registry_place: str) -> None:
    """What the registry has is asked for and not sent, but for the manifest, by its tag."""
    made, source = make_image({"a": b"1" * 1000}, {"b": b"2" * 1000}), MemoryStore()
    made.push_to(source)
    with Transport() as first:
        copy_image(source, Repository(registry_place, "against/twice", first), made.image.descriptor, tag="latest")
    with Transport() as second:
        copy_image(source, Repository(registry_place, "against/twice", second), made.image.descriptor, tag="latest")

    size = made.image.descriptor.size
    assert first.traffic == Traffic(requests=3 * 3 + 1, sent=sum(map(len, made.blobs.values())), received=0)
    assert second.traffic == Traffic(requests=3 + 1, sent=size, received=0)


_PUSH = """
import sys
from pathlib import Path
from imagewright.oci import media_types
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.registry.repository import Repository
from imagewright.transport import Transport
layout = Layout(Path(sys.argv[1]))
sys.stdin.readline()
with Transport() as transport:
    repository = Repository(sys.argv[2], sys.argv[3], transport)
    copy_image(layout, repository, layout.resolve("a:1"), tag="latest")
"""


def test_processes_push_the_same_image_at_once(registry_place: str, tmp_path: Path) -> None:
    """docker-registry 2.8.2 refuses a manifest for a moment while another process uploads its blobs: all pushes succeed."""
    layout = Layout(tmp_path)
    made = make_image(*({"file": bytes([number]) * 200_000} for number in range(6)))
    layout.tag(made.push_to(layout), "a:1")
    for round_ in range(2):
        command = [sys.executable, "-c", _PUSH, str(tmp_path), registry_place, f"against/race{round_}"]
        running = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
        ]

        said = [process.communicate("go\n", timeout=120)[1] for process in running]

        assert [process.returncode for process in running] == [0] * 4, said


@pytest.mark.parametrize(("size", "pieces"), [(0, 0), (5 << 20, 1), (80 << 20, 2)])
def test_a_layer_is_sent_while_it_is_written(registry_place: str, tmp_path: Path, size: int, pieces: int) -> None:
    """docker-registry takes it in pieces: POST, a PATCH for each of at most 64 MiB, and PUT with what it is."""
    data = os.urandom(size)
    with Transport() as transport:
        repository = Repository(registry_place, "against/early", transport)
        with Layout(tmp_path).ingest() as blob, early_upload(repository, blob) as upload:
            upload.write(data)
            descriptor = blob.commit(media_types.LAYER_GZIP)
            sent = upload.finish(descriptor)
        requests = transport.traffic.requests - (size > WORTH_ASKING)

        assert requests == 2 + pieces
        assert sent
        assert b"".join(Repository(registry_place, "against/early", transport).fetch(descriptor)) == data
