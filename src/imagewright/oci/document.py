"""JSON documents that somebody else wrote: manifests, indexes, configs."""

import json
from typing import Any

MAX_DEPTH = 64
"""Of objects and lists in each other. Real documents have fewer than ten."""


def parse_object(data: bytes, *, limit: int) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises:
        ValueError: It is over ``limit`` bytes, no JSON object, nested too deeply, or names a key twice: who takes the
            first and who takes the last would read two documents.
    """
    if len(data) > limit:
        raise ValueError(f"a document of {len(data)} bytes is over the limit of {limit}")
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    _check_depth(document, 1)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


def _check_depth(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("the document is nested too deeply")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            _check_depth(item, depth + 1)
