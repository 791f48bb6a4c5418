"""Small conda packages and channels made on the fly: equal bytes for equal arguments."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest, digest_of


@dataclass(frozen=True, slots=True)
class CondaFile:
    """A file of a package. ``placeholder`` is the prefix that is written in it; ``link`` makes it a symlink."""

    data: bytes = b""
    executable: bool = False
    placeholder: str = ""
    mode: str = "text"
    link: str = ""
    mtime: int = 0


@dataclass(frozen=True, slots=True)
class MadePackage:
    """A package: its file, and what the index of a channel says of it."""

    filename: str
    data: bytes = field(repr=False)
    index: dict[str, Any]

    @property
    def digest(self) -> Digest:
        """The digest of the file."""
        return digest_of(self.data)


def make_package(
    name: str,
    version: str,
    files: Mapping[str, CondaFile | bytes],
    *,
    depends: Sequence[str] = (),
    build: str = "0",
    subdir: str = "linux-64",
    noarch: str = "",
    entry_points: Sequence[str] = (),
    suffix: str = ".conda",
    paths: Mapping[str, Any] | None = None,
    level: int = 3,
) -> MadePackage:
    """A package of these files. ``paths`` takes the place of the list of files that is made of them, to lie with."""
    contents = {path: one if isinstance(one, CondaFile) else CondaFile(one) for path, one in files.items()}
    index: dict[str, Any] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir,
        **({"noarch": noarch} if noarch else {}),
    }
    listed = paths if paths is not None else {"paths_version": 1, "paths": [_row(*one) for one in contents.items()]}
    info = {"info/index.json": json.dumps(index), "info/paths.json": json.dumps(listed)}
    if noarch == "python":
        link = {"noarch": {"type": "python", "entry_points": list(entry_points)}, "package_metadata_version": 1}
        info["info/link.json"] = json.dumps(link)
    described = {path: CondaFile(text.encode()) for path, text in info.items()}
    stem = f"{name}-{version}-{build}"
    data = _zip(stem, described, contents, level) if suffix == ".conda" else bz2.compress(_tar(described | contents))
    return MadePackage(f"{stem}{suffix}", data, index)


def write_channel(folder: Path, packages: Sequence[MadePackage]) -> Path:
    """A channel of these packages in a folder, with its indexes."""
    for subdir in sorted({"noarch", "linux-64", *(package.index["subdir"] for package in packages)}):
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        index: dict[str, Any] = {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": {},
            "repodata_version": 1,
        }
        for package in packages:
            if package.index["subdir"] == subdir:
                (folder / subdir / package.filename).write_bytes(package.data)
                kind = "packages.conda" if package.filename.endswith(".conda") else "packages"
                index[kind][package.filename] = {
                    **package.index,
                    "md5": hashlib.md5(package.data, usedforsecurity=False).hexdigest(),
                    "sha256": hashlib.sha256(package.data).hexdigest(),
                    "size": len(package.data),
                }
        (folder / subdir / "repodata.json").write_text(json.dumps(index, sort_keys=True), encoding="utf-8")
    return folder


def _row(path: str, file: CondaFile) -> dict[str, Any]:
    content = file.link.encode() if file.link else file.data
    row = {
        "_path": path,
        "path_type": "softlink" if file.link else "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    return {**row, "prefix_placeholder": file.placeholder, "file_mode": file.mode} if file.placeholder else row


def _tar(files: Mapping[str, CondaFile]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, file in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.mtime = 0o755 if file.executable else 0o644, file.mtime
            if file.link:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
            else:
                entry.size = len(file.data)
            tar.addfile(entry, io.BytesIO(file.data))
    return out.getvalue()


def _zip(stem: str, info: Mapping[str, CondaFile], files: Mapping[str, CondaFile], level: int) -> bytes:
    try:
        zstd: Any = import_module("compression.zstd")
    except ImportError:
        zstd = import_module("backports.zstd")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        parts = {
            "metadata.json": json.dumps({"conda_pkg_format_version": 2}).encode(),
            f"pkg-{stem}.tar.zst": zstd.compress(_tar(files), level),
            f"info-{stem}.tar.zst": zstd.compress(_tar(info), level),
        }
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return out.getvalue()
