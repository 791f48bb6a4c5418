"""Folders of wheels, as pages that say the digests: uv reads a wheel of 190 MB through, 8 kB at a time, where none is said."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from imagewright.oci.digest import Digest, digest_of, hex_of

Known = Callable[[Path], "Digest | None"]
"""The digest of a file of this machine, if it is known without reading the file."""

_ENDS = (".whl", ".tar.gz", ".zip")


def with_digests(links: str, directory: Path, known: Known, folder: Path) -> str:
    """``links`` as uv takes them (separated by commas), with a page in ``folder`` for each folder that has a known file.

    A path is from ``directory``. uv reads a page as it reads the folder; what the page has no digest of, it hashes itself.
    """
    return ",".join(_page(link, directory, known, folder) for link in links.split(","))


def _page(link: str, directory: Path, known: Known, folder: Path) -> str:
    place = directory / link.replace("%2C", ",")
    if "://" in link or not place.is_dir():
        return link
    files = sorted(file for file in place.iterdir() if file.name.endswith(_ENDS))
    digests = {file: digest for file in files if (digest := known(file)) is not None}
    if not digests:
        return link
    import html  # 2 ms, for those who have such folders

    lines = ["<!DOCTYPE html><html><body>"]
    for file in files:
        fragment = f"#sha256={hex_of(digests[file])}" if file in digests else ""
        lines.append(f'<a href="file://{quote(str(file))}{fragment}">{html.escape(file.name)}</a><br>')
    text = "\n".join([*lines, "</body></html>", ""]).encode()
    page = folder / f"{hex_of(digest_of(text))}.html"
    if not page.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = page.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
        part.write_bytes(text)
        part.replace(page)
    return str(page)
