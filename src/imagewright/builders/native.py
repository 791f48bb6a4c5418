"""The native builder: packages become layers, and only what must run runs, in a sandbox."""

from dataclasses import replace

from imagewright.build.destination import target_reference
from imagewright.build.session import Session
from imagewright.builders.protocol import Build
from imagewright.errors import LockError, SpecError
from imagewright.events import Noted
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.spec.identity import BUILDING

UNNEEDED_CONFIG = frozenset({"uv_image", "micromamba_image"})
"""What ``builder_config`` may name: images that flytekit's builder takes its tools from. None is needed here."""

BUILDER_OPTIONS = (
    frozenset({"allow_bad_record", "allow_overwrite", "command_network", "command_timeout", "conda_post_link"})
    | BUILDING
)

ELSEWHERE = "PYTHONPYCACHEPREFIX"


class NativeBuilder:
    """Builds an image without Docker and without a daemon; packages and files need no container."""

    def prepare(self, spec: ImageSpec, session: Session) -> Build:
        """The build of this spec, which `run` resolves, plans and publishes."""
        platforms = check_supported(spec)
        reference = target_reference(spec, session)

        def run() -> Reference:
            for name in spec.builder_config:
                session.listen(Noted(f"builder_config: no {name} is needed, the native builder brings its own tools"))
            if len(platforms) > 1:
                from imagewright.build.platforms import build_platforms

                return build_platforms(spec, platforms, reference, session)
            from imagewright.build.image import build_image  # 80 ms that an image which is there does not pay

            return build_image(spec, platforms[0], reference, session)

        return Build(reference, run)


def check_supported(spec: ImageSpec) -> tuple[Platform, ...]:
    """The platforms of a spec that this builder can build.

    Raises:
        LockError: A field asks for what it cannot build (IW204).
    """
    if unknown := sorted(set(spec.builder_options) - BUILDER_OPTIONS):
        raise LockError(
            f"the native builder has no option {unknown[0]!r}",
            code="IW204",
            why=f"builder_options it knows: {', '.join(sorted(BUILDER_OPTIONS))}",
            where=spec.where_of(unknown[0]),
        )
    if unknown := sorted(set(spec.builder_config) - UNNEEDED_CONFIG):
        raise LockError(
            f"the native builder has no use for {unknown[0]!r} in builder_config",
            code="IW204",
            why=f"it knows {' and '.join(sorted(UNNEEDED_CONFIG))}, the images of flytekit's tools, and needs neither",
            fix=f"leave {unknown[0]} out",
            where=spec.where_of(unknown[0]),
        )
    if spec.builder_options:
        from imagewright.build.commands import check_command_options  # 15 ms, where there are any
        from imagewright.build.package_options import check_package_options

        check_command_options(spec)
        check_package_options(spec)
    if spec.conda_packages or spec.conda_channels or "conda_post_link" in spec.builder_options:
        from imagewright.build.conda import check_conda_fields

        check_conda_fields(spec)
    if spec.compile_bytecode and spec.env.get(ELSEWHERE):
        raise SpecError(
            f"compile_bytecode=True puts bytecode beside the sources, and env has {ELSEWHERE}={spec.env[ELSEWHERE]!r}",
            why="Python looks for bytecode in that folder alone",
            fix=f"leave {ELSEWHERE} out of env, or compile_bytecode",
            where=spec.where_of(ELSEWHERE),
        )
    if spec.cuda or spec.cudnn:
        from imagewright.build.cuda import check_cuda

        check_cuda(spec)
    if BUILDING & set(spec.builder_options):
        from imagewright.build.from_source.options import build_options

        build_options(spec)
    if spec.secrets:
        from imagewright.build.secrets import check_secrets

        check_secrets(spec)
    if spec.pip_secret_mounts:
        from imagewright.build.pip_secrets import check_pip_secrets

        check_pip_secrets(spec)
    if isinstance(spec.base_image, ImageSpec):
        check_supported(replace(spec.base_image, platform=spec.platform))
    return spec.platforms
