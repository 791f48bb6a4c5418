"""Base images that are files of this machine: how they are written, and what in them is their identity."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.digest import digest_of
from imagewright.spec.fields import Refused

LOCAL_KINDS = ("oci", "oci-archive", "docker-archive")

_MOST_BYTES = 16 << 20  # of an index, a manifest or a config


@dataclass(frozen=True)
class LocalImage:
    """``KIND:PATH[:NAME]``, as skopeo writes it: PATH holds no colon, NAME tells images of one place apart."""

    kind: str
    path: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")


def parse_local(text: str) -> LocalImage | None:
    """The image of this machine that ``text`` names, or None when it is no such name (but a reference)."""
    kind, _, rest = text.partition(":")
    if kind not in LOCAL_KINDS:
        return None
    path, _, name = rest.partition(":")
    return LocalImage(kind, path, name)


def spelled_local_image(image: LocalImage, directory: Path) -> str:
    """The digest that says which image it is: the manifest's, or in Docker's form, which has none, the config's.

    Where it lies and what it is called does not matter. Only the ends of the file are read, so this is quick.
    """
    path = directory / image.path
    try:
        if image.kind == "oci":
            return str(chosen_manifest(json.loads((path / "index.json").read_bytes()), image)["digest"])
        import tarfile  # only who has such a base pays for it

        with tarfile.open(path, "r:") as tar:
            if image.kind == "oci-archive":
                return str(chosen_manifest(_document(tar, "index.json"), image)["digest"])
            entry = chosen_docker_image(_document(tar, "manifest.json"), image)
            return digest_of(_read(tar, entry["Config"]))
    except Refused:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise _unreadable(image, directory, error) from None
    except Exception as error:  # tarfile's own, which is imported late
        if type(error).__module__ != "tarfile":
            raise
        raise _unreadable(image, directory, error) from None


def chosen_manifest(index: Any, image: LocalImage) -> dict[str, Any]:
    """The entry of an OCI layout's index.json that ``image`` means: the one of its name, or the only one."""
    entries = [entry for entry in index["manifests"] if isinstance(entry, dict)]
    names = [(entry.get("annotations") or {}).get("org.opencontainers.image.ref.name", "") for entry in entries]
    if image.name:
        entries = [entry for entry, name in zip(entries, names) if name == image.name]
    return _only(entries, sorted(filter(None, names)), image)


def chosen_docker_image(manifest: Any, image: LocalImage) -> dict[str, Any]:
    """The entry of a docker archive's manifest.json that ``image`` means."""
    entries = [entry for entry in manifest if isinstance(entry, dict)]
    names = sorted(name for entry in entries for name in entry.get("RepoTags") or ())
    if image.name:
        entries = [entry for entry in entries if image.name in (entry.get("RepoTags") or ())]
    return _only(entries, names, image)


def _only(entries: list[dict[str, Any]], names: list[str], image: LocalImage) -> dict[str, Any]:
    if len(entries) == 1:
        return entries[0]
    what = f"has no image {image.name!r}" if image.name else f"holds {len(entries)} images"
    known = f", of {', '.join(names[:5])}" if names else ""
    raise Refused(
        "base_image",
        str(image),
        what + known,
        fix=f'base_image="{image.kind}:{image.path}:{names[0] if names else "NAME"}"',
        part=str(image),
    )


def _document(tar: Any, name: str) -> Any:
    return json.loads(_read(tar, name))


def _read(tar: Any, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    data = member.read(_MOST_BYTES)
    assert isinstance(data, bytes)
    return data


def _unreadable(image: LocalImage, directory: Path, error: Exception) -> Refused:
    path = os.path.join(directory, image.path)
    if not os.path.exists(path):
        return Refused(
            "base_image", str(image), f"names {path}, which is not there", fix="make it first", part=image.path
        )
    words = {
        "oci": "is no OCI image layout, a folder with index.json",
        "oci-archive": "is no tar of an OCI image layout",
        "docker-archive": "is no archive as `docker save` writes it",
    }
    return Refused(
        "base_image",
        str(image),
        f"{words[image.kind]}: {error}",
        fix="decompress it first" if str(path).endswith(("gz", "zst", "xz")) else "skopeo inspect says what it is",
        part=image.path,
    )
