"""Is the image of a spec there, for each of its platforms?"""

from imagewright.build.destination import place_of, target_reference
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.oci import media_types
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec


def existing(spec: ImageSpec, reference: Reference, session: Session) -> Reference | None:
    """The image at ``reference``, pinned, or None when it is not there, or not for all platforms of the spec.

    One HEAD request for an image of one platform whose tag is made of the spec's digest, which the platform is in. Of
    an index its list is read, and of an image that somebody else named also its config.

    Raises:
        LockError: IW204, an image that is no build of the spec (``builder="noop"``) is for other platforms.
        NetworkError, CredentialsError, StoreError: Nobody can tell.
    """
    place = place_of(reference, session)
    there = place.resolve()
    if there is None:
        return None
    ours = reference == target_reference(spec, session)
    if not ours or len(spec.platforms) > 1 or there.media_type in media_types.INDEXES:
        from imagewright.store.images import platforms_of  # one platform, one image: nothing else has to be read

        has = platforms_of(place.store, there, name=str(reference))
        lacking = [one for one in spec.platforms if not any(one.runs(other) for other in has)]
        if lacking and not ours:
            raise LockError(
                f"the image {reference} is not made for {', '.join(map(str, lacking))}",
                code="IW204",
                why=f"it is for {', '.join(map(str, has)) or 'no platform that it names'}",
                fix=f'platform="{has[0]}"' if has else "name another image",
                where=spec.where_of("platform"),
            )
        if lacking:
            return None
    return reference.with_digest(there.digest)
