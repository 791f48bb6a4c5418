"""Which Python packages conda packages bring: what wheels on top of them have to fit to."""

import re
from collections.abc import Iterable

from imagewright.layer.planned import Inputs
from imagewright.packages.conda.archive import open_package
from imagewright.packages.conda.install import Placement, placed
from imagewright.packages.conda.locked import LockedConda
from imagewright.spec.names import normalized_name

_INFO = re.compile(r"(?P<name>[^/]+?)-(?P<version>[^/-]+)(?:-py3\.\d+)?\.(?:dist-info|egg-info)")


def python_distributions(
    packages: Iterable[LockedConda], inputs: Inputs, placement: Placement
) -> tuple[tuple[str, str], ...]:
    """Names (normalised) and versions, as pip would see them. The names are those of the files: conda has names of its own.

    Raises:
        BuildError: IW303: a package cannot be read.
    """
    found: dict[str, str] = {}
    for locked in packages:
        with open_package(inputs.path(locked.file), locked.filename) as package:
            for path in placed(package, placement):
                folder, _, rest = path.removeprefix(f"{placement.site_packages}/").partition("/")
                below = path.startswith(f"{placement.site_packages}/")
                if below and rest in ("", "METADATA", "PKG-INFO") and (match := _INFO.fullmatch(folder)):
                    found[normalized_name(match["name"])] = match["version"]
    return tuple(sorted(found.items()))
