"""What a container of an image starts with, and what is said of the image: the base's, and what the spec adds. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace

from imagewright.oci.config import DEFAULT_PATH, ImageConfig
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec

SPEC = "dev.imagewright.spec"
"""The label and annotation that says which spec an image is of, by its digest."""

_OCI = "org.opencontainers.image."
_BASE = "org.opencontainers.image.base."


def config_of(spec: ImageSpec, target: Target, base: ImageConfig) -> ImageConfig:
    """The base's config with what the spec adds; our programs come first on PATH.

    ``entrypoint=[]`` clears the base's, None keeps it. Another one takes the base's command away with it, which was
    written for the base's entrypoint: Docker does so as well.
    """
    env = {**base.env, "PATH": _path(target, base)}
    if spec.cuda:
        from imagewright.build.cuda import cuda_env

        env.update(cuda_env(spec, target, base.env))
    env = _with_env(env, spec.env)
    config = replace(
        base,
        env=env,
        labels={**base.labels, **spec.labels, SPEC: spec.digest},
        user=spec.user or base.user,
        workdir=spec.workdir or base.workdir,
    )
    if spec.entrypoint is None:
        return config
    return replace(config, entrypoint=spec.entrypoint, command=() if spec.entrypoint else base.command)


def annotations_of(spec: ImageSpec, below: Mapping[str, str]) -> dict[str, str]:
    """The manifest's annotations. Labels of the image spec's own names are among them, as its readers look there.

    ``below`` are the base's: what they say of its own base stays true, the rest is said of another image.
    Source: OCI image-spec v1.1, annotations.md, "Pre-Defined Annotation Keys".
    """
    return {
        **{name: text for name, text in spec.labels.items() if name.startswith(_OCI)},
        **spec.annotations,
        **{name: text for name, text in below.items() if name.startswith(_BASE)},
        SPEC: spec.digest,
    }


def _path(target: Target, base: ImageConfig) -> str:
    programs = f"{target.prefix}/bin"
    path = base.env.get("PATH") or DEFAULT_PATH
    return path if programs in path.split(":") else f"{programs}:{path}"


def _with_env(env: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Values are taken as they are, but for a variable's own name in its value, which is what it was: ``/opt/x:$PATH``.

    Nobody else reads ``$PATH`` there, and an image without the PATH of its base starts nothing.
    """

    def value(name: str, text: str) -> str:
        own = re.compile(rf"\$(?:{re.escape(name)}(?![A-Za-z0-9_])|\{{{re.escape(name)}\}})")
        return own.sub(lambda match: env.get(name, ""), text)

    return {**env, **{name: value(name, text) for name, text in more.items()}}
