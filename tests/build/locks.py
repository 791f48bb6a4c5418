"""Locks of few and made-up packages, for tests of what is done with them."""

from dataclasses import replace

from imagewright.build.base.locked import LockedImage
from imagewright.build.lock import Lock
from imagewright.layer.planned import InputFile
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.target import Target

AMD64 = Platform("linux", "amd64")


def wheel(name: str, version: str, content: bytes = b"") -> LockedWheel:
    """A wheel of an index."""
    file_name = f"{name}-{version}-py3-none-any.whl"
    digest = digest_of(content or file_name.encode())
    return LockedWheel(name, version, InputFile(f"https://example.com/{file_name}", digest, 3))


def deb(name: str, version: str) -> LockedDeb:
    """A package of Debian."""
    path = f"deb:debian/pool/{name}_{version}_amd64.deb"
    return LockedDeb(name, version, "amd64", InputFile(path, digest_of(path.encode()), 4))


DEBIAN = LockedBase("bookworm", "3.11", AMD64, (deb("libc6", "2.36-9"), deb("python3.11", "3.11.2-6")))
IMAGE = LockedImage(
    "docker.io/library/python:3.11-slim",
    Descriptor("application/vnd.oci.image.manifest.v1+json", digest_of(b"manifest"), 8),
    Target(AMD64, "3.11", "/usr/local/bin/python3.11", ("glibc", "2.36"), python_full_version="3.11.9"),
    packages="/opt/venv/lib/python3.11/site-packages",
    system=False,
    code_folder="/home/root",
)


def lock(*wheels: LockedWheel, base: LockedBase | LockedImage = DEBIAN, apt: tuple[LockedDeb, ...] = ()) -> Lock:
    """A lock of these wheels."""
    return Lock(digest_of(b"asked"), base, wheels, apt)


def moved(image: LockedImage, content: bytes) -> LockedImage:
    """The image that the same tag stands for later."""
    return replace(image, manifest=replace(image.manifest, digest=digest_of(content)))
