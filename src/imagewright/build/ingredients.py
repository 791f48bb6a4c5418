"""Ingredients: all that an image is made of, as it travels with the image in an annotation of its manifest."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.portable import relative, without_place
from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.spec import ImageSpec
from imagewright.spec.identity import REQUIRING

ANNOTATION: Final = "dev.imagewright.lock"
VERSION = 1

FILES: Final = frozenset({"requirements", "project", "local_packages", "pip_extra_files"})
"""What a spec's content says of the files that name packages, beside the fields that do."""

_QUERY = re.compile(r"([A-Za-z+]+://[^\s?#]+)\?[^\s#]*")
_MOST_FILES = 2000  # some 200 kB: registries need not take manifests over 4 MiB


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What was asked for, as `ImageSpec.content` has it, and the lock that answers it.

    ``whole`` is False where they come from a lock file, which says nothing of env, commands and copied files. The URLs
    of a lock's local files are relative then (`imagewright.build.portable`).
    """

    lock: Lock
    content: Mapping[str, Any]
    whole: bool = True

    @property
    def below(self) -> "Ingredients | None":
        """Those of the base, when that is another spec."""
        base = self.content.get("base_image")
        if not isinstance(self.lock.base, LockedSpec) or not isinstance(base, dict) or "spec" not in base:
            return None
        return Ingredients(self.lock.base.lock, base["spec"], self.whole)


def annotation(spec: ImageSpec, lock: Lock) -> str:
    """The ingredients as one line of JSON. Equal images have equal lines: no name, no place and no time is in it.

    Of more than 2000 files each folder at the top has one line together.
    """
    content = _bounded(spec.content)
    document = without_place(relative(lock, spec.directory).to_json())
    return canonical_json({"version": VERSION, "lock": document, "content": content}).decode()


def ingredients_in(annotations: Mapping[str, str], *, name: str) -> Ingredients | None:
    """What `annotation` wrote into a manifest's annotations; None when there is nothing. ``name`` is the image's.

    Raises:
        LockError: It is something else, or of another imagewright.
    """
    if ANNOTATION not in annotations:
        return None
    try:
        document = json.loads(annotations[ANNOTATION])
        if document["version"] != VERSION:
            raise ValueError(f"its version is {document['version']}, this imagewright reads {VERSION}")
        return Ingredients(_whole(Lock.from_json(document["lock"])), _checked(document["content"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LockError(
            f"the lock that {name} carries cannot be read", code="IW209", why=f"{type(error).__name__}: {error}"
        ) from error


def requiring(content: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a content that a lock answers, specs below included, for anyone to read: queries of URLs are left out."""
    kept = {name: _public(value) for name, value in content.items() if name in REQUIRING or name in FILES}
    below = kept.get("base_image")
    if isinstance(below, dict) and "spec" in below:
        kept["base_image"] = {"spec": requiring(below["spec"])}
    return kept


def lock_file_ingredients(lock: Lock, required: Any) -> Ingredients:
    """The ingredients that a lock file names.

    Raises:
        ValueError, KeyError, TypeError: ``required`` is not what `requiring` gives.
    """
    return Ingredients(_whole(lock), _checked(required), whole=False)


def ingredients_of(spec: ImageSpec, lock: Lock) -> Ingredients:
    """The ingredients of an image that would be built now."""
    return ingredients_in({ANNOTATION: annotation(spec, lock)}, name=spec.name) or Ingredients(lock, spec.content)


def _public(value: Any) -> Any:
    """The values without queries in their URLs: a token may be in one."""
    if isinstance(value, dict):
        return {key: _public(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_public(item) for item in value]
    return _QUERY.sub(r"\1", value) if isinstance(value, str) else value


def _bounded(content: Mapping[str, Any]) -> dict[str, Any]:
    bounded = {**content, **requiring(content)}
    files = content.get("files", [])
    if len(files) > _MOST_FILES:
        folders: dict[str, list[Any]] = {}
        for row in files:
            folder, slash, _ = row[0].partition("/")
            folders.setdefault(folder + slash, []).append(row)
        bounded["files"] = [
            rows[0] if len(rows) == 1 else [folder, f"folder of {len(rows)}", digest_of(canonical_json(rows))]
            for folder, rows in sorted(folders.items())
        ]
    base = content.get("base_image")
    if isinstance(base, dict) and "spec" in base:
        bounded["base_image"] = {"spec": _bounded(base["spec"])}
    return bounded


def _whole(lock: Lock) -> Lock:
    """The lock, once it is sure that its base can say what packages are installed onto: a KeyError says that it cannot."""
    _ = lock.target
    return lock


def _checked(content: Any) -> dict[str, Any]:
    """A content that somebody else wrote, in the kinds of values that ours has."""
    if not isinstance(content, dict):
        raise TypeError("content is an object")
    for name, value in content.items():
        if name in _LISTS and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise TypeError(f"{name} is a list of strings")
        if name in _ROWS and not (
            isinstance(value, list) and all(isinstance(row, list) and len(row) > 1 for row in value)
        ):
            raise TypeError(f"{name} is a list of rows")
        if name == "env" and not isinstance(value, dict):
            raise TypeError("env is an object")
        if name == "base_image" and isinstance(value, dict) and "spec" in value:
            _checked(value["spec"])
    return content


_LISTS = (
    "packages",
    "conda_packages",
    "conda_channels",
    "apt_packages",
    "pip_extra_index_url",
    "commands",
    "platforms",
)
_ROWS = ("files", *FILES)
