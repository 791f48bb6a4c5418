"""The base images of the table of fields, one of each kind, made from the Debian packages of the default base."""

import io
import tarfile
from pathlib import Path

from tests.end_to_end.bases import PATH, Bases, Change, distribution, file, gone, link
from tests.end_to_end.debs import LocalArchive
from tests.end_to_end.fields import KINDS

from imagewright.layer.read import entries
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.image import Image
from imagewright.oci.platform import Platform
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.copy import copy_image
from imagewright.store.protocol import ImageStore

MUSL = "usr/lib/ld-musl-x86_64.so.1"


def make_kinds(bases: Bases, archive: LocalArchive, upstream: ImageStore, folder: Path) -> None:
    """All of them, for two platforms: in the layout by their names, and those that are to be there in a registry and in archives."""
    alpine = Bases(bases.layout, _without_glibc(bases), [(info, _renamed(content)) for info, content in bases.python])
    for kind in KINDS:
        if kind in ("default", "spec"):
            continue
        below = alpine if kind == "musl" else bases
        images = {f"linux/{one}": _make(below, archive, kind, one) for one in ("amd64", "arm64")}
        both = bases.index(kind, images)
        if kind == "registry":
            copy_image(bases.layout, upstream, both, tag="slim")
        elif kind == "file":
            with (folder / "base.tar").open("wb") as out:
                export_docker_archive(bases.layout, images["linux/amd64"].descriptor, out, name="base:1")
            with (folder / "wide.tar").open("wb") as out:
                export_oci_archive(bases.layout, both, out, name="wide")


def _make(bases: Bases, archive: LocalArchive, kind: str, machine: str) -> Image:
    sources = (
        "deb [signed-by=/etc/apt/keyrings/debian-archive-keyring.gpg] http://mirror.example.com/debian bookworm main\n"
    )
    apt = [
        file("etc/apt/sources.list", sources.encode()),
        file("etc/apt/keyrings/debian-archive-keyring.gpg", archive.key),
    ]
    path = {"venv": f"/opt/venv/bin:{PATH}", "conda": f"/opt/conda/bin:{PATH}"}.get(kind, PATH)
    platform = Platform("linux", machine)
    return bases.make(
        f"{kind}-{machine}", [*apt, *_changes(bases, kind)], env={"PATH": path, "BASE": kind}, platform=platform
    )


def _changes(bases: Bases, kind: str) -> list[Change]:
    match kind:
        case "registry":
            return [*bases.without_python(), *bases.moved("usr/local")]
        case "debian" | "file":
            return [file("usr/lib/python3.11/EXTERNALLY-MANAGED", b"[externally-managed]\nError=no\n")]
        case "venv":
            return [
                file("opt/venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n"),
                link("opt/venv/bin/python", "/usr/bin/python3.11"),
                link("opt/venv/bin/python3", "python"),
                *distribution("opt/venv/lib/python3.11/site-packages", "alpha", "0.9"),
            ]
        case "conda":
            meta = file("opt/conda/conda-meta/python-3.11.2-h0_0.json")
            return [*bases.without_python(), *bases.moved("opt/conda"), meta]
        case "several":
            return bases.moved("opt/other")
        case "none" | "brought":
            return bases.without_python()
        case "musl":
            return [
                *bases.without_python(),
                *bases.moved("usr/local"),
                gone("var/lib/dpkg"),
                file(MUSL, b"\x7fELF\0" + b"1.2.5\0", 0o755),
                file("etc/os-release", b"ID=alpine\nVERSION_ID=3.20\n"),
            ]
    raise AssertionError(kind)


def _without_glibc(bases: Bases) -> Layer:
    """The Debian packages with glibc under a name by which nobody knows it: Debian has no Python that is made for musl."""
    out = io.BytesIO()
    stored = bases.layout.fetch(bases.debian.descriptor)
    with (
        entries(stored, bases.debian.descriptor.media_type) as tar,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as copied,
    ):
        for info in tar:
            opened = tar.extractfile(info) if info.isreg() else None
            content = _renamed(opened.read()) if opened is not None else b""
            info.name, info.linkname = (text.replace("libc.so.6", "libC.so.6") for text in (info.name, info.linkname))
            copied.addfile(info, io.BytesIO(content))
    data = out.getvalue()
    descriptor = Descriptor(media_types.LAYER_TAR, digest_of(data), len(data))
    bases.layout.push(descriptor, [data])
    return Layer(descriptor, DiffID(descriptor.digest))


def _renamed(data: bytes) -> bytes:
    return data.replace(b"libc.so.6", b"libC.so.6")
