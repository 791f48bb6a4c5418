"""Small wheels made on the fly, equal bytes for equal arguments."""

import hashlib
import io
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest, digest_of


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A distribution file: a wheel, or an sdist when ``metadata`` is empty. ``requires_python`` is the index's to tell."""

    name: str
    version: str
    filename: str
    data: bytes = field(repr=False)
    metadata: bytes = field(default=b"", repr=False)
    requires_python: str = ""

    @property
    def digest(self) -> Digest:
        """The digest of the file."""
        return digest_of(self.data)


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str = "",
    tag: str = "py3-none-any",
    files: Mapping[str, str | bytes] | None = None,
) -> MadeFile:
    """A wheel that holds ``files``, or else a module of its name with ``__version__``."""
    module = name.replace("-", "_").replace(".", "_")
    metadata = "".join(
        [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"Requires-Python: {requires_python}\n" if requires_python else "",
            *(f"Requires-Dist: {requirement}\n" for requirement in requires),
        ]
    ).encode()
    info = f"{module}-{version}.dist-info"
    contents = {path: data.encode() if isinstance(data, str) else data for path, data in (files or {}).items()}
    if files is None:
        contents[f"{module}/__init__.py"] = f"__version__ = {version!r}\n".encode()
    contents[f"{info}/METADATA"] = metadata
    purelib = "true" if tag.endswith("-any") else "false"
    contents[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: imagewright\nRoot-Is-Purelib: {purelib}\nTag: {tag}\n".encode()
    )
    record = "".join(f"{path},{_record_digest(data)},{len(data)}\n" for path, data in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return MadeFile(name, version, f"{module}-{version}-{tag}.whl", out.getvalue(), metadata, requires_python)


def make_sdist(name: str, version: str) -> MadeFile:
    """A file that has an sdist's name. Nothing can be built from it: nobody should try."""
    return MadeFile(name, version, f"{name.replace('-', '_')}-{version}.tar.gz", b"not an archive")


def _record_digest(data: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
