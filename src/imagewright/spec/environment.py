"""What the process that reads the spec says: its Python, its packages, and whether it is a task container."""

from __future__ import annotations

import os
import sys
from typing import Any

from imagewright.spec.fields import Refused

NO_IMAGE = "none"
"""What IMAGEWRIGHT_IMAGE holds while a file is only read, to build its images or to run it in containers."""


def in_task_container() -> bool:
    """Whether this process runs a task in a container that imagewright started."""
    return os.environ.get("IMAGEWRIGHT_IMAGE", NO_IMAGE) != NO_IMAGE


def installed(packages: Any, python_version: object) -> tuple[str, list[str]]:
    """This environment's Python, ``3.11``, and a pin for each of ``packages``.

    In a task container of another image a package may be absent; it is then not pinned, and the spec is not this image's.
    """
    if python_version is not None:
        raise Refused(
            "python_version",
            python_version,
            "cannot be given to from_env, which takes the one of this environment",
            fix="leave it out",
        )
    if isinstance(packages, str):
        raise Refused(
            "pinned_packages", packages, "is one string, not a list of strings", fix=f"pinned_packages=[{packages!r}]"
        )
    from importlib.metadata import PackageNotFoundError, version  # a quarter of a task's start, and only this needs it

    pins = []
    for package in packages or ():
        try:
            pins.append(f"{package}=={version(package)}")
        except (PackageNotFoundError, ValueError):
            if not in_task_container():
                raise Refused(
                    "pinned_packages",
                    list(packages),
                    f"holds {package!r}, which is not installed in this environment",
                    fix=f"pip install {package}",
                    part=package,
                ) from None
            pins.append(package)
    return f"{sys.version_info[0]}.{sys.version_info[1]}", pins
