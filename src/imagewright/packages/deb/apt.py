"""How apt installs exactly the packages of a lock, in a sandbox and from their files alone."""

from collections.abc import Mapping, Sequence

from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.prepared import Prepared

IGNORED = (
    *("run/", "tmp/", "var/tmp/", "var/lib/apt/lists/", "var/cache/apt/", "var/log/apt/"),
    *("var/log/dpkg.log", "var/log/alternatives.log", "var/cache/ldconfig/aux-cache"),
    *("var/lib/dpkg/status-old", "var/cache/debconf/config.dat-old", "var/cache/debconf/templates.dat-old"),
    "var/cache/debconf/tmp.ci",
    *("var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock"),
    "usr/sbin/policy-rc.d",
)
"""What installing leaves that is no part of the packages: logs, caches, backups, locks, and what this module needs."""


# No service is started by an installation: there is no init here, and docker's images say the same.
_POLICY = (
    "[ -e /usr/sbin/policy-rc.d ] || printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d",
    "chmod 755 /usr/sbin/policy-rc.d",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of ``apt_packages``: a name, with a version or a suite or neither."""

    name: str
    version: str = ""
    suite: str = ""


def wanted_of(text: str) -> Wanted:
    """What ``git``, ``git=1:2.39.*`` or ``git/bookworm-backports`` asks for.

    Raises:
        LockError: It is of another form (IW204).
    """
    rest, _, version = text.partition("=")
    name, slash, suite = rest.partition("/")
    if ":" in name or "*" in name or (slash and (version or not suite)) or "/" in suite:
        raise LockError(
            f"apt_packages has {text!r}, and only name, name=version and name/suite are known",
            code="IW204",
            fix=f'"{name.partition(":")[0].strip("*")}"',
        )
    return Wanted(name, version, suite)


@dataclass(frozen=True, slots=True)
class Installation:
    """How apt is run: a command, its environment, and texts that lie beside the packages' files, by name."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    texts: tuple[tuple[str, str], ...]


def install(wanted: Sequence[str], debs: Sequence[LockedDeb]) -> Installation:
    """How apt installs ``debs``, whose files lie beside the texts under `file_name`; ``wanted`` are counted as asked for.

    apt reads nothing but these files, so what it installs is what was locked. That the others only came along is
    written down as apt does it, for ``apt-get autoremove``.
    """
    asked = {wanted_of(text).name for text in wanted}
    files = " ".join(f"./{file_name(deb)}" for deb in debs)
    along = " ".join(deb.name for deb in debs if deb.name not in asked)
    # What the image has already may get a newer version, and stays what it is.
    mark = f'for name in {along}; do case "$manual" in *" $name "*) ;; *) set -- "$@" "$name" ;; esac; done'
    script = [
        "cd /imagewright/step",
        "mkdir -p ../scratch/none ../scratch/lists/partial ../scratch/cache/archives/partial ../scratch/log",
        *_POLICY,
        *(['manual=" $(apt-mark showmanual | tr "\\n" " ")"'] if along else []),
        *_MAN,
        f"apt-get install -qq --no-install-recommends {files}",
        _NO_MAN,
        *([mark, '[ $# = 0 ] || apt-mark -qq auto "$@"'] if along else []),
    ]
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
        "DEBIAN_FRONTEND": "noninteractive",
        "APT_CONFIG": "/imagewright/step/apt.conf",
    }
    return Installation(
        ("/bin/sh", "-e", "/imagewright/step/install.sh"),
        env,
        (("apt.conf", _CONF), ("sources.list", ""), ("install.sh", "\n".join([*script, ""]))),
    )


def configure(wanted: Sequence[str], debs: Sequence[LockedDeb], prepared: Prepared) -> Mapping[str, str]:
    """The script ``configure.sh`` that finishes what was unpacked natively, and the texts that it reads, by name.

    Nothing is left for apt to do: what only came along is written down as it would.
    """
    asked = {wanted_of(text).name for text in wanted}
    along = [deb.name for deb in debs if deb.name not in asked]
    files = " ".join(f"./{file_name(deb)}" for deb in prepared.left)
    script = [
        "cd /imagewright/step",
        *_POLICY,
        "cat status >> /var/lib/dpkg/status",
        # apt lets debconf ask its questions before; there are none, but it leaves its files.
        "if [ -e /etc/apt/apt.conf.d/70debconf ]; then cd /var/cache/debconf",
        "for name in config.dat templates.dat; do [ -e $name ] || : > $name; done",
        "[ -e passwords.dat ] || (umask 077; : > passwords.dat); cd /imagewright/step; fi",
        *_MAN,
        *([f"dpkg --force-unsafe-io --unpack {files}"] if files else []),
        *(f"dpkg-trigger --no-await --by-package={package} {path}" for path, package in prepared.triggers),
        "dpkg --force-unsafe-io --configure --pending",
        _NO_MAN,
        "cat extended_states >> /var/lib/apt/extended_states",
    ]
    states = "".join(f"Package: {name}\nArchitecture: {prepared.architecture}\nAuto-Installed: 1\n\n" for name in along)
    return {"configure.sh": "\n".join([*script, ""]), "status": prepared.status, "extended_states": states}


def tried(packages: Sequence[str]) -> str:
    """The script ``try.sh``, which runs these packages' *preinst* as dpkg does for what was never there. Source: dpkg 1.21."""
    lines = [
        "cd /",
        "export DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0",
    ]
    lines.append("export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_ARCH=$(dpkg --print-architecture)")
    lines.append("export DPKG_RUNNING_VERSION=$(dpkg-query -W -f '${Version}' dpkg)")
    lines += [f"DPKG_MAINTSCRIPT_PACKAGE={name} /imagewright/step/{name}.preinst install" for name in packages]
    return "\n".join([*lines, ""])


def file_name(deb: LockedDeb) -> str:
    """What the file of a package is called where it is installed from."""
    return f"{deb.name}.deb"


# Where documentation is left out there are no folders of manual pages, and update-alternatives fails where a package
# (openjdk) has a page elsewhere that it links to from there. Those that nothing needed are taken away again.
_MAN = (
    "man=",
    'for name in man/man1 man/man5 man/man7 man/man8 man; do [ -e /usr/share/$name ] || man="$man /usr/share/$name"; done',
    '[ -z "$man" ] || mkdir -p $man',
)
_NO_MAN = "for folder in $man; do rmdir $folder 2>/dev/null || :; done"

# dpkg forces nothing to disk: a layer that a crash cuts short is thrown away as a whole.
_CONF = """\
APT::Sandbox::User "root";
Dir::State::lists "/imagewright/scratch/lists";
Dir::Cache "/imagewright/scratch/cache";
Dir::Log "/imagewright/scratch/log";
Dir::Etc::sourcelist "/imagewright/step/sources.list";
Dir::Etc::sourceparts "/imagewright/scratch/none";
Dpkg::Use-Pty "0";
DPkg::Options { "--force-unsafe-io"; };
"""
