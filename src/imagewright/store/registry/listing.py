"""What a repository lists: its tags, and what belongs to a manifest."""

import re
from urllib.parse import urljoin

from imagewright.errors import IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.document import parse_object
from imagewright.oci.index import Index
from imagewright.oci.manifest import MAX_BYTES
from imagewright.oci.reference import check_tag
from imagewright.store.registry.session import Session

MAX_TAGS = 100_000  # a registry could go on for ever


def list_tags(session: Session, name: str) -> tuple[str, ...]:
    """As `Repository.tags`; ``name`` is the repository's in errors."""
    found: dict[str, None] = {}
    path = "tags/list?n=1000"
    while path:
        answer = session.request("pull from", "GET", path, ok=(200, 404))
        if answer.status == 404:
            return ()
        try:
            page = [tag for tag in parse_object(answer.body, limit=MAX_BYTES).get("tags") or () if tag not in found]
            found.update((check_tag(tag), None) for tag in page)
        except (ValueError, TypeError) as error:
            raise NetworkError(
                f"{name} answered with something else than its tags", code="IW503", why=str(error)
            ) from error
        next_page = re.match(r'\s*<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("link", ""))
        path = urljoin(answer.url, next_page[1]) if next_page and page and len(found) < MAX_TAGS else ""
    return tuple(found)


def list_referrers(session: Session, name: str, subject: Descriptor) -> tuple[Descriptor, ...] | None:
    """As `Repository.listed_referrers`; ``name`` is the repository's in errors."""
    headers = {"accept": media_types.IMAGE_INDEX}
    answer = session.request(
        "pull from", "GET", f"referrers/{subject.digest}", headers=headers, ok=(200, 400, 404, 405)
    )
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
    if answer.status != 200 or media_type != media_types.IMAGE_INDEX:
        return None
    try:
        return tuple(Index.parse(answer.body, media_type=media_types.IMAGE_INDEX).manifests)
    except ValueError as error:
        raise IntegrityError(f"{name} lists no referrers of {subject.digest}", why=str(error)) from error
