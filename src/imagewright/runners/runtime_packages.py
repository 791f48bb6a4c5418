"""``runtime_packages``: they are in no image that is published, and are there when a task starts on this machine."""

from dataclasses import replace

from imagewright.build.destination import LOCAL, local_tag
from imagewright.build.session import Session
from imagewright.builders.ensure import ensure
from imagewright.errors import ImagewrightError
from imagewright.oci.reference import Reference
from imagewright.sandbox.emulation import runnable, this_platform
from imagewright.spec import ImageSpec


def with_runtime_packages(spec: ImageSpec, image: Reference, session: Session) -> Reference:
    """The image of a spec, which the local store has, with its runtime packages on top; itself, when it has none.

    What is on top is an image of the local store alone, made of wheels as any other: the container needs neither pip nor
    a network. It is resolved once for an image and a list of packages; ``session.upgrade`` resolves it anew.

    Raises:
        LockError: The packages do not fit the image; what it has installed stays as it is.
        NetworkError, CredentialsError: An index cannot be asked.
    """
    if not spec.runtime_packages:
        return image
    on_top = ImageSpec(
        f"{spec.name}-runtime",
        packages=spec.runtime_packages,
        base_image=f"oci:{session.store_dir}:{local_tag(image)}",
        platform=str(runnable(spec.platforms) or this_platform()),
        pip_index=spec.pip_index,
        pip_extra_index_url=spec.pip_extra_index_url,
        pip_secret_mounts=spec.pip_secret_mounts,
        # Of a file of requirements they choose groups and extras, which a list of packages has not.
        pip_extra_args=None if spec.requirements else spec.pip_extra_args,
        where=spec.where,
        directory=spec.directory,
    )
    try:
        return ensure(on_top, replace(session, registry=LOCAL, builder="native"), force=session.upgrade)
    except ImagewrightError as error:
        if error.where is None or error.where == spec.where:
            error.where = spec.where_of("runtime_packages")
        raise
