import pytest

from imagewright.oci.digest import digest_of
from imagewright.oci.reference import Reference, check_registry

DIGEST = digest_of(b"")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("debian", Reference("docker.io", "library/debian")),
        ("debian:12", Reference("docker.io", "library/debian", "12")),
        ("acme/train:v1", Reference("docker.io", "acme/train", "v1")),
        ("localhost/demo", Reference("localhost", "demo")),
        ("localhost:30000/demo:v1", Reference("localhost:30000", "demo", "v1")),
        ("127.0.0.1:5000/a/b_c/d-e", Reference("127.0.0.1:5000", "a/b_c/d-e")),
        ("[::1]:5000/a", Reference("[::1]:5000", "a")),
        (f"ghcr.io/acme/train:v1@{DIGEST}", Reference("ghcr.io", "acme/train", "v1", DIGEST)),
        ("index.docker.io/debian", Reference("docker.io", "library/debian")),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, reference: Reference) -> None:
    """Names of images mean what they mean to Docker's tools."""
    assert Reference.parse(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPPER",
        "a//b",
        "a:",
        "a b",
        "-a",
        "ghcr.io/",
        "a@sha256:12",
        "a:" + "t" * 129,
        "a/../b",
        "https://ghcr.io/a",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    """Nothing that the grammar does not allow becomes part of a URL."""
    with pytest.raises(ValueError, match=r"not a|write host"):
        Reference.parse(text)


def test_pinned_is_repository_and_digest() -> None:
    """A task's template carries repository@digest, never only a tag."""
    reference = Reference.parse("localhost:30000/demo:v1")

    assert reference.with_digest(DIGEST).pinned == f"localhost:30000/demo@{DIGEST}"
    with pytest.raises(ValueError, match="no digest"):
        _ = reference.pinned


@pytest.mark.parametrize(
    "text",
    [
        "https://ghcr.io",
        "ghcr.io/acme",
        "",
        "host:port",
        "a..b",
        "a.-b",
        "user@host",
        "host:0",
        "host:99999",
        "[:::]",
        "[1.2.3.4]",
    ],
)
def test_a_registry_is_a_host_and_a_port(text: str) -> None:
    """What is no host is refused, and the text says what to write."""
    with pytest.raises(ValueError, match="write host"):
        check_registry(text)
