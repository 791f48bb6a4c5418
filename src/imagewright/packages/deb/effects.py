"""What the packages' maintainer scripts would do that matters, done without running any of them."""

import re
from collections.abc import Iterator

from imagewright.packages.deb.accounts import accounts
from imagewright.packages.deb.alternatives import alternatives
from imagewright.packages.deb.certificates import bundle, hash_links, link_name
from imagewright.packages.deb.elf import Library
from imagewright.packages.deb.layout import DPKG_CONF, ROOT_LINKS
from imagewright.packages.deb.ld_cache import PATH as LD_CACHE
from imagewright.packages.deb.ld_cache import ld_cache, library_folders
from imagewright.packages.deb.pam import pam
from imagewright.packages.deb.status import database
from imagewright.packages.deb.system import Entry, System, directory, file, symlink
from imagewright.packages.deb.task_user import HOME, UID
from imagewright.packages.deb.version import satisfies

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
    yield from _shells(system)
    yield file(LD_CACHE, ld_cache(library_folders(system.files), _with_links(system)))
    yield from database(system, list(_diversions(system)))


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
    package = system.package("base-files")
    script = package.script("postinst") if package else ""
    for path in re.findall(r"^ *install_local_dir /(usr/local\S*)", script, re.MULTILINE):
        yield directory(path)
    yield symlink("usr/local/man", "share/man")
    for name, mode in (("wtmp", 0o664), ("btmp", 0o660), ("lastlog", 0o664)):
        if f"/var/log/{name}" in script:
            yield file(f"var/log/{name}", mode=mode, gid=43)


def _diversions(system: System) -> Iterator[tuple[str, str, str]]:
    """The diversions that matter later: another package's /bin/sh must not take the place of dash's.

    Debian 13's diversions for the move to a merged /usr are left out: they only matter to older systems' upgrades.
    """
    dash = system.package("dash")
    if dash and satisfies(dash.said["Version"], "<<", "0.5.12-9~"):
        for path, other in (("/bin/sh", "/bin/sh.distrib"), ("/usr/share/man/man1/sh.1.gz", f"{_SH_MAN}.distrib.1.gz")):
            yield path, other, "dash"


_SH_MAN = "/usr/share/man/man1/sh"


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
    tzdata = system.package("tzdata")
    if tzdata and not re.search(r'(?:-e|-f) "\$DPKG_ROOT/etc/timezone"', tzdata.script("postinst")):  # up to Debian 12
        yield file("etc/timezone", "Etc/UTC\n")
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
    """/etc/shells: the shells that packages declare, those in /bin by their name in /usr/bin too.

    Source: update-shells(8) of debianutils 5.
    """
    text = system.files["usr/share/debianutils/shells"].decode()
    declared = [content.decode() for content in system.below("usr/share/debianutils/shells.d").values()]
    known = [line for line in text.splitlines() if line.startswith("/")]
    added: list[str] = []
    for shell in [*known, *(line for lines in declared for line in lines.splitlines() if line.startswith("/"))]:
        names = [shell, f"/usr{shell}"] if shell.startswith("/bin/") else [shell]
        added += [name for name in names if name not in known and name not in added]
    yield file("etc/shells", text + "".join(f"{name}\n" for name in added))
    yield file("var/lib/shells.state", "".join(f"{name}\n" for name in [*known, *added]))


def _with_links(system: System) -> dict[str, Library]:
    """The libraries, and the links to them, by path."""
    found = dict(system.libraries)
    for path, target in system.links.items():
        folder = path.rpartition("/")[0]
        if "/" not in target and f"{folder}/{target}" in system.libraries:
            found[path] = system.libraries[f"{folder}/{target}"]
    return found
