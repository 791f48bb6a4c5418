"""Users and groups: Debian's own, and the one that tasks run as."""

from collections.abc import Iterator

from imagewright.packages.deb.system import Entry, System, file
from imagewright.packages.deb.task_user import HOME, UID, USER

_SHADOW_GROUP = 42


def accounts(system: System) -> Iterator[Entry]:
    """/etc/passwd and /etc/group, and shadow files where the package passwd is there, as ``shadowconfig on`` makes them.

    No account has a password. The day of its last change stays empty: a date would differ from day to day.
    Source: base-passwd's and passwd's postinst; passwd(5), shadow(5).
    """
    passwd = _lines(system.files["usr/share/base-passwd/passwd.master"])
    group = _lines(system.files["usr/share/base-passwd/group.master"])
    names = {line.partition(":")[0] for line in passwd}
    if "_apt" not in names and system.package("apt"):
        passwd.append("_apt:*:100:65534::/nonexistent:/usr/sbin/nologin")  # Debian 11: adduser's first system user
    passwd.append(f"{USER}:*:{UID}:{UID}::{HOME}:/bin/bash")
    group.append(f"{USER}:*:{UID}:")
    if system.package("passwd"):
        yield _file("etc/shadow", [f"{_name(line)}:*::0:99999:7:::" for line in passwd], 0o640, _SHADOW_GROUP)
        yield _file("etc/gshadow", [f"{_name(line)}:*::" for line in group], 0o640, _SHADOW_GROUP)
        passwd = [line.replace(":*:", ":x:", 1) for line in passwd]
        group = [line.replace(":*:", ":x:", 1) for line in group]
    yield _file("etc/passwd", passwd)
    yield _file("etc/group", group)
    for name in ("etc/subuid", "etc/subgid"):
        yield file(name)


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode().splitlines() if line]


def _name(line: str) -> str:
    return line.partition(":")[0]


def _file(path: str, lines: list[str], mode: int = 0o644, gid: int = 0) -> Entry:
    return file(path, "".join(f"{line}\n" for line in lines), mode, gid=gid)
