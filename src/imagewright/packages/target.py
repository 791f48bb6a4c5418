"""What packages are installed onto: the platform, its C library and its Python."""

from imagewright.dataclass import dataclass
from imagewright.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Target:
    """A root filesystem as far as packages need to know it.

    ``python`` is the interpreter's minor version, ``3.11``; ``interpreter`` its path in the image, ``/usr/bin/python3.11``.
    ``libc`` is ``("glibc", "2.36")`` or ``("musl", "1.2")``. ``prefix`` is the virtual environment that wheels go into.
    ``python_full_version`` is the interpreter's whole version, ``3.11.2``, where it is known: requirements may depend
    on it (``python_full_version < "3.11.3"``). It does not decide where files go, so it is part of no layer's key.
    """

    platform: Platform
    python: str
    interpreter: str
    libc: tuple[str, str]
    prefix: str = "/opt/imagewright"
    python_full_version: str = ""

    @property
    def site_packages(self) -> str:
        """Where the files of wheels go, absolute."""
        return f"{self.prefix}/lib/python{self.python}/site-packages"

    @property
    def system(self) -> str:
        """What wheels are for, as a person says it: ``linux/amd64``, or ``linux/amd64 (musl)``."""
        return f"{self.platform} (musl)" if self.libc[0] == "musl" else str(self.platform)
