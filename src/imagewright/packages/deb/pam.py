"""PAM's common files: what ``pam-auth-update`` makes of the profile "unix", the one that every system has."""

import re
from collections.abc import Iterator

from imagewright.packages.deb.system import Entry, System, file

_STACKS = ("account", "auth", "password", "session", "session-noninteractive")
_NULL = "[default=1]\t\t\tpam_permit.so"
_FIELD = re.compile(r"^(?P<name>[A-Za-z-]+):[ ]*(?P<value>.*(?:\n[ \t].*)*)", re.MULTILINE)


def pam(system: System) -> Iterator[Entry]:
    """/etc/pam.d/common-*, and what pam-auth-update remembers of it. Source: pam-auth-update(8) of pam 1.5."""
    profile = system.files.get("usr/share/pam-configs/unix")
    if profile is None:
        return
    said = {match["name"]: match["value"].strip() for match in _FIELD.finditer(profile.decode())}
    seen = sorted(
        (path.rpartition("/")[2] for path in system.below("usr/share/pam-configs")),
        key=lambda name: (name != "unix", name),
    )
    yield file("var/lib/pam/seen", "".join(f"{name}\n" for name in seen))
    for stack in _STACKS:
        template = system.files[f"usr/share/pam/common-{stack}"].decode()
        kind = stack.partition("-")[0]
        rule = said[f"{kind.capitalize()}-Initial"]
        primary = said[f"{kind.capitalize()}-Type"] == "Primary"
        # A primary module that succeeds jumps over the fallback, which is one line.
        line = f"{kind}\t{rule.replace('=end', '=1')}" + (" " if rule.endswith(".so") else "")  # no options: a space
        block = {"primary": line if primary else f"{kind}\t{_NULL}", "additional": "" if primary else line}
        for name, text in block.items():
            template = template.replace(f"${kind}_{name}\n", f"{text}\n" if text else "")
            template = template.replace(f"${kind}_nonint_{name}\n", f"{text}\n" if text else "")
        yield file(f"etc/pam.d/common-{stack}", template)
        modules = ["Module: unix", rule] if primary else ["Module: null", _NULL, "Module: unix", rule]
        yield file(f"var/lib/pam/{stack}", "".join(f"{line}\n" for line in modules))
