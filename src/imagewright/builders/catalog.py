"""Builders by name: ours and everybody's, through the same door."""

from typing import cast

from imagewright.builders.protocol import Builder
from imagewright.errors import SandboxError

GROUP = "imagewright.builders"
DEFAULT = "native"


def builder_named(name: str) -> Builder:
    """The builder whose entry point has exactly this name; "" is the native one.

    Raises:
        SandboxError: No installed package brings it (IW602).
    """
    if name in ("", DEFAULT):
        from imagewright.builders.native import NativeBuilder

        return NativeBuilder()
    from importlib.metadata import entry_points  # 15 ms, which our own builder does not pay

    found = entry_points(group=GROUP)
    for entry in found:
        if entry.name == name:
            return cast(Builder, entry.load()())
    names = ", ".join(sorted({entry.name for entry in found}))
    raise SandboxError(
        f"there is no builder {name!r} here",
        code="IW602",
        why=f"installed builders: {names}",
        fix=[
            "leave builder out of the ImageSpec: the native builder needs no Docker and no service",
            f"or install the package that brings {name!r} (an entry point of the group {GROUP})",
        ],
    )
