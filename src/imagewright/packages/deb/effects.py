"""What the packages' maintainer scripts would do that matters, done without running any of them."""

from collections.abc import Iterator

from imagewright.packages.deb.accounts import HOME, UID, accounts
from imagewright.packages.deb.alternatives import alternatives
from imagewright.packages.deb.certificates import bundle, hash_links, link_name
from imagewright.packages.deb.elf import Library
from imagewright.packages.deb.layout import DPKG_CONF, ROOT_LINKS
from imagewright.packages.deb.ld_cache import PATH as LD_CACHE
from imagewright.packages.deb.ld_cache import ld_cache, library_folders
from imagewright.packages.deb.pam import pam
from imagewright.packages.deb.status import database
from imagewright.packages.deb.system import Entry, System, directory, file, symlink

KEPT = (
    "etc/ld.so.conf",
    "usr/share/base-files/",
    "usr/share/base-passwd/",
    "usr/share/ca-certificates/",
    "usr/share/debianutils/",
    "usr/share/libc-bin/",
    "usr/share/pam",
    "usr/share/readline/",
)
"""Where the files lie whose content the effects are made from."""

REPLACED = {"var/run": "/run", "var/lock": "/run/lock"}
"""Directories of base-files that its own script turns into links."""

OWNED = {HOME.lstrip("/"): directory(HOME.lstrip("/"), 0o755, uid=UID, gid=UID)}
"""Directories whose owner or mode is not the package's: the home of who a container runs as."""


def before(architecture: str) -> Iterator[Entry]:
    """What has to be there before packages are unpacked: the links into /usr."""
    for name in ROOT_LINKS[architecture]:
        yield directory(f"usr/{name}")
        yield symlink(name, f"usr/{name}")


def effects(system: System, python: str) -> Iterator[Entry]:
    """All that comes after the packages' own files; dpkg's database comes last."""
    yield from _base_files(system)
    yield from accounts(system)
    yield from pam(system)
    yield from alternatives(system)
    yield from _certificates(system)
    yield from _settings(system, python)
    diversions: list[tuple[str, str, str]] = []
    if "usr/bin/sh" not in system.paths:  # Debian 11 and 12: dash takes the name with a diversion
        yield symlink("usr/bin/sh", "dash")
        diversions.append(("/bin/sh", "/bin/sh.distrib", "dash"))
    yield from _shells(system)
    yield file(LD_CACHE, ld_cache(library_folders(system.files), _with_links(system)))
    yield from database(system, diversions)


def _base_files(system: System) -> Iterator[Entry]:
    """Source: base-files' postinst."""
    share = "usr/share/base-files"
    for name, path in (("dot.profile", "root/.profile"), ("dot.bashrc", "root/.bashrc")):
        yield file(path, system.files[f"{share}/{name}"], uid=UID, gid=UID)
    yield file("etc/profile", system.files[f"{share}/profile"])
    yield file("etc/motd", system.files[f"{share}/motd"])
    yield symlink("etc/dpkg/origins/default", "debian")
    for path in ("mnt", "srv", "opt", "etc/opt", "var/opt", "media"):
        yield directory(path)
    yield directory("var/mail", 0o2775, gid=8)
    yield symlink("var/spool/mail", "../mail")
    yield directory("run/lock", 0o1777)
    for path, target in REPLACED.items():
        yield symlink(path, target)
    for name in ("share", "share/man", "bin", "games", "lib", "include", "sbin", "src", "etc"):
        yield directory(f"usr/local/{name}")
    yield symlink("usr/local/man", "share/man")
    for name, mode in (("wtmp", 0o664), ("btmp", 0o660), ("lastlog", 0o664)):
        yield file(f"var/log/{name}", mode=mode, gid=43)


def _certificates(system: System) -> Iterator[Entry]:
    """Source: ca-certificates' postinst, update-ca-certificates(8)."""
    folder = "usr/share/ca-certificates"
    certificates = {path: pem for path, pem in system.below(folder).items() if path.endswith(".crt")}
    names = [path.removeprefix(f"{folder}/") for path in sorted(certificates)]
    header = (
        "# The certificates that update-ca-certificates(8) puts into /etc/ssl/certs; a line with ! leaves one out.\n"
    )
    yield file("etc/ca-certificates.conf", header + "".join(f"{name}\n" for name in names))
    yield directory("etc/ca-certificates/update.d")
    yield directory("usr/local/share/ca-certificates")
    yield file("etc/ssl/certs/ca-certificates.crt", bundle(certificates))
    for path in sorted(certificates):
        yield symlink(f"etc/ssl/certs/{link_name(path)}", f"/{path}")
    for name, target in sorted(hash_links(certificates).items()):
        yield symlink(f"etc/ssl/certs/{name}", target)


def _settings(system: System, python: str) -> Iterator[Entry]:
    """Files of /etc that scripts make from defaults. Sources: the postinst of the package that each line names."""
    yield file("etc/nsswitch.conf", system.files["usr/share/libc-bin/nsswitch.conf"])  # libc-bin
    yield file("etc/inputrc", system.files["usr/share/readline/inputrc"])  # readline-common
    yield file("etc/environment")  # libpam-modules
    yield file("etc/security/opasswd", mode=0o600)  # libpam-modules
    yield symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")  # tzdata
    yield file("etc/timezone", "Etc/UTC\n")  # tzdata
    yield file(
        "etc/python3/debian_config",
        "[DEFAULT]\n# how to byte-compile (comma separated: standard, optimize)\nbyte-compile = standard\n",
    )
    yield directory(f"usr/local/lib/python{python}/dist-packages")  # python3.X-minimal
    yield file("etc/dpkg/dpkg.cfg.d/imagewright", DPKG_CONF)
    yield file("etc/apt/apt.conf.d/90imagewright", _APT_CONF)
    yield file("etc/fstab", "# empty: a container's file systems come from whoever runs it\n")


_APT_CONF = (
    'APT::Install-Recommends "false";\nAPT::Install-Suggests "false";\nAcquire::Languages "none";\n'
    'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
)


def _shells(system: System) -> Iterator[Entry]:
    """/etc/shells: each shell that a package declares, by both of its names. Source: update-shells(8)."""
    text = system.files["usr/share/debianutils/shells"].decode()
    known = [line for line in text.splitlines() if line.startswith("/")]
    declared = [
        line
        for _, content in system.below("usr/share/debianutils/shells.d").items()
        for line in content.decode().splitlines()
        if line.startswith("/")
    ]
    added: list[str] = []
    for shell in declared:
        other = shell.removeprefix("/usr") if shell.startswith("/usr/") else f"/usr{shell}"
        added += [name for name in (shell, other) if name not in known and name not in added]
    yield file("etc/shells", text + "".join(f"{name}\n" for name in added))


def _with_links(system: System) -> dict[str, Library]:
    """The libraries, and the links to them, by path."""
    found = dict(system.libraries)
    for path, target in system.links.items():
        folder = path.rpartition("/")[0]
        if "/" not in target and f"{folder}/{target}" in system.libraries:
            found[path] = system.libraries[f"{folder}/{target}"]
    return found
