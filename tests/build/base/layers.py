"""Trees of base images, from a few lines of what their layers hold."""

import io
import tarfile
from collections.abc import Mapping

from imagewright.build.base.contents import Contents, contents_of
from imagewright.build.base.tree import Tree, stack
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.media_types import LAYER_TAR
from imagewright.oci.platform import Platform
from imagewright.store.images import ReadImage

ELF = b"\x7fELF" + bytes(60)
MUSL = "lib/ld-musl-x86_64.so.1"
PYTHON = ELF + b"\0" + b"3.11.9" + b"\0"
GLIBC = {"lib/x86_64-linux-gnu/libc.so.6": b"GNU C Library (GLIBC 2.36) stable release version 2.36.\n"}


def contents(files: Mapping[str, bytes | str]) -> Contents:
    """A layer: bytes are a file, text is a link's target, a path that ends with / is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path.rstrip("/"))
            if path.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return contents_of([out.getvalue()], LAYER_TAR)


def tree(*layers: Mapping[str, bytes | str]) -> Tree:
    """These layers above each other."""
    return stack(map(contents, layers))


def image(**env: str) -> ReadImage:
    """An image without layers, whose containers have this environment."""
    config = ImageConfig(Platform("linux", "amd64"), env)
    return ReadImage(Descriptor("", digest_of(b"image"), 5), (), config, {}, ())
