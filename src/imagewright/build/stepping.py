"""Which fields of a spec need a sandbox."""

from imagewright.spec import ImageSpec


def stepping_fields(spec: ImageSpec) -> tuple[str, ...]:
    """The fields of a spec, and of those that it is based on, that need one."""
    specs = _with_bases(spec)
    fields = [field for field in ("apt_packages", "commands") if any(getattr(one, field) for one in specs)]
    if any(one.conda_packages and one.builder_options.get("conda_post_link") == "run" for one in specs):
        fields.append("conda_packages")
    return tuple(fields)


def compiles(spec: ImageSpec) -> bool:
    """Whether a spec, or one that it is based on, has layers of bytecode."""
    return any(one.compile_bytecode for one in _with_bases(spec))


def _with_bases(spec: ImageSpec) -> list[ImageSpec]:
    specs = [spec]
    while isinstance(specs[-1].base_image, ImageSpec):
        specs.append(specs[-1].base_image)
    return specs
