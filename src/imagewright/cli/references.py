"""Names of images and registries as a person types them."""

from dataclasses import replace

from imagewright.errors import UsageError
from imagewright.oci.reference import DEFAULT_REGISTRY, Reference, check_registry

HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com"})


def reference_of(text: str) -> Reference:
    """An image of a registry. Without a tag or digest it is ``latest``, and without a registry docker.io's, as for docker.

    Raises:
        UsageError: It is no image's name.
    """
    try:
        reference = Reference.parse(_bare(text))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not an image: {error}", fix="write REGISTRY/REPOSITORY:TAG, as ghcr.io/acme/demo:v1"
        ) from error
    return reference if reference.tag or reference.digest else replace(reference, tag="latest")


def registry_of(text: str) -> str:
    """A registry, without a scheme or a path.

    Raises:
        UsageError: It is none.
    """
    host = _bare(text).partition("/")[0]
    if host.lower() in HUB:
        return DEFAULT_REGISTRY
    try:
        return check_registry(host)
    except ValueError as error:
        raise UsageError(str(error)) from error


def names_registry(text: str) -> bool:
    """Whether a name begins with a registry, as docker tells it."""
    head, slash, _ = _bare(text).partition("/")
    return bool(slash) and (head == "localhost" or "." in head or ":" in head)


def _bare(text: str) -> str:
    for prefix in ("docker://", "https://", "http://"):
        text = text.strip().removeprefix(prefix)
    return text.rstrip("/")
