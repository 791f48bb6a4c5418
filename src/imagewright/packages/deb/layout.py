"""How a base's tree differs from what the packages' tars say: the merged /usr, and documentation that is left out."""

from fnmatch import fnmatchcase

_MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"})

ROOT_LINKS = {"amd64": ("bin", "lib", "lib64", "sbin"), "arm64": ("bin", "lib", "sbin")}
"""Which links into /usr a root has, by architecture."""

EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
KEPT = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
"""Left out, and what of it is kept: licences ask that their text goes with the program."""

DPKG_CONF = "".join([*(f"path-exclude={path}\n" for path in EXCLUDED), *(f"path-include={path}\n" for path in KEPT)])
"""The same, for the packages that dpkg installs later: /etc/dpkg/dpkg.cfg.d/imagewright."""


def merged(path: str) -> str:
    """Where ``path`` lies when /bin, /lib and the like are links into /usr."""
    first = path.partition("/")[0]
    return f"usr/{path}" if first in _MERGED else path


def is_left_out(path: str, *, directory: bool) -> bool:
    """Whether dpkg would not unpack ``path``, given `DPKG_CONF`. Directories stay where something below could be kept."""
    name = f"/{path}"
    if not any(fnmatchcase(name, pattern) for pattern in EXCLUDED) or any(fnmatchcase(name, kept) for kept in KEPT):
        return False
    return not (directory and name.startswith("/usr/share/doc/") and name.count("/") == 4)


def is_filtered(path: str, kind: str) -> bool:
    """Whether dpkg itself would not unpack ``path``, given `DPKG_CONF`.

    It keeps folders and symbolic links where what is included again could lie, by the fixed part of the pattern.
    Source: dpkg 1.21, src/main/filters.c, filter_should_skip.
    """
    name = f"/{path}"
    if not any(fnmatchcase(name, pattern) for pattern in EXCLUDED) or any(fnmatchcase(name, kept) for kept in KEPT):
        return False
    fixed = [kept.partition("*")[0].rstrip("/") for kept in KEPT]
    return not (kind in ("directory", "symlink") and name.startswith(tuple(fixed)))
