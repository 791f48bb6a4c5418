"""The names of the 15,000 most downloaded projects, to guess what a misspelt one was meant to be.

``names.txt.gz`` holds them sorted, the 1,500 most downloaded first, an empty line between. It is only read when a
package was not found.
"""

import gzip
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from importlib.resources import files

from packaging.utils import canonicalize_name

# What people import is not always what they install; of the names below no project of use exists.
_IMPORTED = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "google-cloud": "google-cloud-storage",
    "opencv": "opencv-python-headless",
    "pil": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torch-vision": "torchvision",
    "yaml": "pyyaml",
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


def did_you_mean(name: str) -> str | None:
    """The known project whose name is nearest to ``name``, or None when none is near. Takes up to 0.1 s."""
    wanted = canonicalize_name(name)
    if wanted in _IMPORTED:
        return _IMPORTED[wanted]
    text = gzip.decompress(files(__package__).joinpath("names.txt.gz").read_bytes()).decode()
    popular, others = (tier.split() for tier in text.split("\n\n"))
    near = set(_one_letter_off(wanted))
    for tier in (popular, others):
        if found := near.intersection(tier):
            return min(found, key=lambda candidate: _rank(wanted, candidate))
    for tier in (popular, others):
        candidates = [known for known in tier if abs(len(known) - len(wanted)) <= 3 and known[0] == wanted[0]]
        if matches := get_close_matches(wanted, candidates, n=1, cutoff=0.82):
            return matches[0]
    return None


def _rank(wanted: str, candidate: str) -> tuple[bool, bool, str]:
    """A letter doubled, left out or swapped is a likelier slip than another letter, and the first letter is rarely wrong."""
    return wanted[0] != candidate[0], len(wanted) == len(candidate) and sorted(wanted) != sorted(candidate), candidate


def _one_letter_off(name: str) -> Iterator[str]:
    """Every name that differs by one letter, by two swapped ones, or by its dashes."""
    yield name.replace("-", "")
    yield from _split(name)
    for at in range(len(name) + 1):
        head, tail = name[:at], name[at:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]


def _split(name: str) -> Iterable[str]:
    return (f"{name[:at]}-{name[at:]}" for at in range(1, len(name)))
