"""Which fields of a spec need a sandbox."""

from imagewright.spec import ImageSpec


def stepping_fields(spec: ImageSpec) -> tuple[str, ...]:
    """The fields of a spec, and of those that it is based on, that need one."""
    specs = [spec]
    while isinstance(specs[-1].base_image, ImageSpec):
        specs.append(specs[-1].base_image)
    return tuple(field for field in ("apt_packages", "commands") if any(getattr(one, field) for one in specs))
