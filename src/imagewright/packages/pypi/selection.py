"""Which part of a project is installed: extras, dependency groups and workspace members, in uv's words."""

from dataclasses import fields

from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """What ``pip_extra_args`` selects of a project or a lock. Nothing is its dependencies alone: no extra, no dev group.

    ``only_groups`` leaves the project's own dependencies out. ``left_out`` are packages that are not installed,
    ``left_out_kinds`` "workspace" or "local", all packages of that kind; ``without_directories`` is Poetry's word for folders.
    """

    extras: tuple[str, ...] = ()
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    all_groups: bool = False
    without_groups: tuple[str, ...] = ()
    only_groups: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    all_packages: bool = False
    left_out: tuple[str, ...] = ()
    left_out_kinds: tuple[str, ...] = ()
    without_directories: bool = False

    def given(self) -> frozenset[str]:
        """The names of the fields that say something."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name))


LISTS = {
    "--extra": "extras",
    "--extras": "extras",
    "-E": "extras",
    "--group": "groups",
    "--with": "groups",
    "--no-group": "without_groups",
    "--without": "without_groups",
    "--only-group": "only_groups",
    "--only": "only_groups",
    "--package": "packages",
    "--no-emit-package": "left_out",
    "--no-install-package": "left_out",
}
"""Flags with a value, which may be several with commas or spaces (as Poetry takes them), and the field they fill."""

FLAGS: dict[str, tuple[str, bool | tuple[str, ...]]] = {
    "--all-extras": ("all_extras", True),
    "--all-groups": ("all_groups", True),
    "--all-packages": ("all_packages", True),
    "--dev": ("groups", ("dev",)),
    "--only-dev": ("only_groups", ("dev",)),
    "--no-dev": ("without_groups", ("dev",)),
    "--no-emit-workspace": ("left_out_kinds", ("workspace",)),
    "--no-install-workspace": ("left_out_kinds", ("workspace",)),
    "--no-emit-local": ("left_out_kinds", ("local",)),
    "--no-install-local": ("left_out_kinds", ("local",)),
    "--no-directory": ("without_directories", True),
}
"""Flags without a value, and what they mean."""

_OF_PROJECT = frozenset({"extras", "all_extras", "groups"})
_OF_POETRY = frozenset(
    {"extras", "all_extras", "groups", "all_groups", "without_groups", "only_groups", "without_directories"}
)
UNDERSTOOD: dict[str, frozenset[str]] = {
    "uv.lock": frozenset(field.name for field in fields(Selection)) - {"without_directories"},
    "poetry.lock": _OF_POETRY,
    "pylock.toml": _OF_PROJECT | {"all_groups", "without_groups"},
    "pyproject.toml": _OF_PROJECT,
}
"""By kind of file, which fields it has a use for; other kinds have none."""


def flags_of(names: frozenset[str]) -> list[str]:
    """The flags that fill these fields."""
    flags = {**LISTS, **{flag: field for flag, (field, _) in FLAGS.items()}}
    return sorted(flag for flag, field in flags.items() if field in names)


def uv_export_flags(selection: Selection) -> list[str]:
    """The selection as flags of ``uv export``. The dev group is left out unless it is asked for, as flytekit does."""
    everything = ("dev" in selection.groups, "dev" in selection.only_groups, selection.all_groups)
    without = [name for name in selection.without_groups if name != "dev"]
    return [
        *(f"--extra={name}" for name in selection.extras),
        *(["--all-extras"] if selection.all_extras else []),
        *(f"--group={name}" for name in selection.groups),
        *(["--all-groups"] if selection.all_groups else []),
        *(f"--no-group={name}" for name in without),
        *(f"--only-group={name}" for name in selection.only_groups),
        *(["--no-dev"] if not any(everything) or "dev" in selection.without_groups else []),
        *(f"--package={name}" for name in selection.packages),
        *(["--all-packages"] if selection.all_packages else []),
        *(f"--no-emit-package={name}" for name in selection.left_out),
        *(f"--no-emit-{kind}" for kind in selection.left_out_kinds),
    ]
