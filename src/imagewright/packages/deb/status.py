"""dpkg's database: such that dpkg and apt in the image see the packages as installed."""

from collections.abc import Iterable, Iterator

from imagewright.packages.deb.system import Entry, System, Unpacked, directory, file

FOLDER = "var/lib/dpkg"

# Source: dpkg 1.21, lib/dpkg/parse.c (fieldinfos); fields that it does not know come behind, as they came.
_ORDER = (
    *("Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin", "Bugs"),
    *("Maintainer", "Architecture", "Multi-Arch", "Source", "Version", "Config-Version", "Replaces", "Provides"),
    *("Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances", "Conffiles"),
    *("Filename", "Size", "MD5sum", "Description"),
)


def database(system: System, diversions: Iterable[tuple[str, str, str]]) -> Iterator[Entry]:
    """The files of the database. ``diversions`` are (path, where it goes, package).

    Source: dpkg 1.21, doc/ and lib/dpkg (dump.c, trignote.c, db-fsys-divert.c).
    """
    packages = sorted(system.packages, key=lambda package: package.name)
    yield file(f"{FOLDER}/status", "".join(f"{_paragraph(package)}\n" for package in packages))
    yield file(f"{FOLDER}/lock", mode=0o640)
    yield file(f"{FOLDER}/lock-frontend", mode=0o640)
    yield file(f"{FOLDER}/info/format", "1\n")
    for package in packages:
        for name, (mode, content) in sorted(package.control.items()):
            yield file(f"{FOLDER}/info/{package.qualified}.{name}", content, mode & 0o755)
        yield file(f"{FOLDER}/info/{package.qualified}.list", "".join(f"{path}\n" for path in package.paths))
    yield file(f"{FOLDER}/diversions", "".join(f"{path}\n{to}\n{name}\n" for path, to, name in diversions))
    for folder in ("alternatives", "parts", "updates"):
        yield directory(f"{FOLDER}/{folder}")
    yield from _triggers(packages)


def _paragraph(package: Unpacked) -> str:
    said = {**package.said, "Status": "install ok installed"}
    if package.conffiles:
        said["Conffiles"] = "".join(f"\n {path} {digest}" for path, digest in package.conffiles.items())
    names = [name for name in _ORDER if name in said] + [name for name in said if name not in _ORDER]
    # A field that has nothing on its own line ends there: "Conffiles:" and not "Conffiles: ".
    return "".join(f"{name}:{'' if said[name].startswith(chr(10)) else ' '}{said[name]}\n" for name in names)


def _triggers(packages: Iterable[Unpacked]) -> Iterator[Entry]:
    files: list[str] = []
    named: dict[str, list[str]] = {}
    for package in packages:
        for line in package.script("triggers").splitlines():
            words = line.partition("#")[0].split()
            if len(words) != 2 or not words[0].startswith("interest"):
                continue
            who = package.qualified + ("/noawait" if words[0] == "interest-noawait" else "")
            if words[1].startswith("/"):
                files.append(f"{words[1]} {who}\n")
            else:
                named.setdefault(words[1], []).append(f"{who}\n")
    yield file(f"{FOLDER}/triggers/File", "".join(files))
    yield file(f"{FOLDER}/triggers/Unincorp")
    yield file(f"{FOLDER}/triggers/Lock", mode=0o600)
    for name, lines in sorted(named.items()):
        yield file(f"{FOLDER}/triggers/{name}", "".join(lines))
