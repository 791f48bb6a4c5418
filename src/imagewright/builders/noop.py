"""The builder that builds nothing: the image is the base image, as it is."""

from imagewright.build.session import Session
from imagewright.builders.protocol import Build
from imagewright.errors import BuildError, SpecError
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec


class NoopBuilder:
    """Takes ``base_image``, which somebody else has built and pushed, as it is."""

    def prepare(self, spec: ImageSpec, session: Session) -> Build:
        """The base image's own reference."""
        if not isinstance(spec.base_image, str):
            raise SpecError(
                f"builder='noop' takes the base image as it is, and base_image={spec.base_image!r} is no reference",
                fix='base_image="ghcr.io/acme/train:v1"',
                where=spec.where,
            )
        try:
            reference = Reference.parse(spec.base_image)
        except ValueError as error:
            raise SpecError(f"base_image={spec.base_image!r}: {error}", where=spec.where) from error

        def run() -> Reference:
            raise BuildError(
                f"there is no image {reference}, and builder='noop' builds nothing",
                fix=["push it first", "or leave builder out: the native builder builds it from the spec"],
                where=spec.where,
            )

        return Build(reference, run)
