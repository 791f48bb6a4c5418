"""Which system a base image is: its C library, and whether it is a Debian or Ubuntu."""

import re

from imagewright.build.base.tree import Tree
from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class System:
    """``libc`` is ``("glibc", "2.36")``, ``("musl", "1.2")`` or ``("", "")``. ``release`` is as ``debian bookworm`` or ""."""

    libc: tuple[str, str]
    release: str


def system_of(tree: Tree) -> System:
    """What the image's files say of it."""
    said = dict(_assignments(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release")))
    release = " ".join(filter(None, (said.get("ID", ""), said.get("VERSION_CODENAME") or said.get("VERSION_ID", ""))))
    return System(_libc(tree), release)


def debian_version(tree: Tree, package: str) -> str:
    """``2.36`` of an installed Debian package of version ``2.36-9+deb12u10``, or ""."""
    for path, entry in tree.paths():
        if path == "/var/lib/dpkg/status" or path.startswith("/var/lib/dpkg/status.d/"):
            for paragraph in entry.text.split("\n\n"):
                fields = dict(_fields(paragraph))
                if fields.get("Package") == package and fields.get("Version"):
                    upstream = fields["Version"].rpartition(":")[2]
                    return re.split(r"[^0-9.]", upstream, maxsplit=1)[0].rstrip(".")
    return ""


def _libc(tree: Tree) -> tuple[str, str]:
    glibc = musl = ""
    for path, entry in tree.paths():
        name = path.rpartition("/")[2]
        if entry.kind == "file" and name == "libc.so.6":
            glibc = glibc or entry.text
        elif match := re.fullmatch(r"libc-(2\.\d+)\.so", name):
            glibc = glibc or match[1]
        elif name.startswith("ld-musl-"):
            musl = musl or entry.text or "1.2"
    if version := glibc or debian_version(tree, "libc6"):
        return "glibc", version
    apk = re.search(r"^P:musl\nV:(1\.\d+)", tree.text("/lib/apk/db/installed"), re.MULTILINE)
    if musl:
        return "musl", ".".join((apk[1] if apk else musl).split(".")[:2])
    return "", ""


def _assignments(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return [(name.strip(), value.strip().strip("\"'")) for name, _, value in pairs]


def _fields(paragraph: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in paragraph.splitlines() if not line.startswith(" "))
    return [(name, value.strip()) for name, _, value in pairs]
