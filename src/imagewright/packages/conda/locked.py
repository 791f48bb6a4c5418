"""Conda packages that are pinned, and the environment they make: pure data, as a lock has it."""

from urllib.parse import quote, unquote, urlsplit

from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile
from imagewright.oci.platform import Platform

SUBDIRS = {"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64", "linux/ppc64le": "linux-ppc64le"}
"""What conda calls the platforms that it has packages for. Source: conda's documentation, "Managing channels"."""

FOLDER = "channel"
"""The scheme of packages that are in a folder: ``channel:NAME/linux-64/FILE``, with the folder's last name. A lock names no
place of one machine; the spec says where the folder is."""


@dataclass(frozen=True, slots=True, order=True)
class LockedConda:
    """One package, pinned by the digest of its file. ``noarch`` is "python", "generic", or "" for one platform's own."""

    name: str
    version: str
    build: str
    noarch: str
    file: InputFile

    @property
    def filename(self) -> str:
        """``numpy-1.26.4-py311h64a7726_0.conda``."""
        return unquote(urlsplit(self.file.url).path).rpartition("/")[2]

    @property
    def subdir(self) -> str:
        """The folder of its channel that it is in: ``linux-64`` or ``noarch``."""
        return unquote(urlsplit(self.file.url).path).split("/")[-2]

    @property
    def channel(self) -> str:
        """The channel as the image tells it: a URL; of a folder of somebody's machine its last name alone."""
        parts = urlsplit(self.file.url)
        above = parts.path.rpartition("/")[0].rpartition("/")[0]
        return f"file:///{above}" if parts.scheme == FOLDER else f"{parts.scheme}://{parts.netloc}{above}"

    @property
    def url(self) -> str:
        """Where the image says that it is from."""
        return f"{self.channel}/{self.subdir}/{quote(self.filename)}"


@dataclass(frozen=True, slots=True)
class LockedEnvironment:
    """Packages in the order in which they are installed: what is needed comes first.

    ``prefix`` is the folder in the image. ``asked`` are the requirements as they were written.
    """

    prefix: str
    packages: tuple[LockedConda, ...]
    asked: tuple[str, ...] = ()

    @property
    def python(self) -> str:
        """The version of the Python among them, ``3.11.7``, or "" when there is none."""
        return next((one.version for one in self.packages if one.name == "python"), "")

    @property
    def minor(self) -> str:
        """The minor version of its Python, ``3.11``, or ""."""
        return ".".join(self.python.split(".")[:2])


def subdir_of(platform: Platform) -> str | None:
    """What conda calls a platform; None when it has no packages for it."""
    return SUBDIRS.get(str(platform))
