"""An archive's release files: fetched, their signature proved, and remembered for a while."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, LockError, redacted
from imagewright.oci.digest import Digest, digest_of, parse_digest
from imagewright.packages.deb.control import fields
from imagewright.packages.deb.mirror import Mirrors
from imagewright.packages.deb.signature import keyring_digest, signed_text
from imagewright.transport import Transport

MAX_AGE_SECONDS = 6 * 3600
"""How long a release file counts as new. Debian's own archive changes four times a day."""

MAX_BYTES = 4 << 20
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """What a suite's InRelease says, as far as it is used. ``packages`` has (digest, size) by architecture.

    ``valid_until`` is in seconds since 1970, 0 when the suite has no such limit.
    """

    archive: str
    suite: str
    codename: str
    valid_until: int
    by_hash: bool
    packages: dict[str, tuple[Digest, int]]


@dataclass(frozen=True, slots=True)
class Archive:
    """Archives, and what is needed to ask them. ``cache`` is a folder; ``offline`` takes what it has, however old.

    ``snapshot`` is a time (``20250520T000000Z``): the archives are asked as they were then. "" is now.
    """

    mirrors: Mirrors
    transport: Transport
    keyring: Path
    cache: Path
    offline: bool = False
    upgrade: bool = False
    snapshot: str = ""
    now: Callable[[], float] = time.time

    def archive(self, name: str) -> str:
        """``name`` as it stands in a ``deb:`` URL of that archive at the time that is asked."""
        return f"{name}@{self.snapshot}" if self.snapshot else name


def release_file(place: Archive, archive: str, suite: str, *, codename: str, optional: bool) -> ReleaseFile | None:
    """The release file of a suite; None when it is ``optional`` and the archive says that there is no such suite.

    ``codename`` is what it has to be of; "" takes what calls itself ``suite``, by its codename or by its name of the day.
    One request, or none if it was read in the last `MAX_AGE_SECONDS`, or is a snapshot's, which never changes.

    Raises:
        IntegrityError: Its signature is not good (IW511).
        LockError: It is not Debian's, not this suite's, or not there (IW206); offline, and never read before (IW205).
        NetworkError: The mirror does not answer.
    """
    memory = place.cache / f"{archive}-{suite.replace('/', '-')}.json"
    url = place.mirrors.url(f"deb:{archive}/dists/{suite}/InRelease")
    keyring = keyring_digest(place.keyring)
    known = _recall(memory, url, keyring)
    age = place.now() - known.get("checked", 0)
    if known and (place.offline or place.snapshot or (0 <= age < MAX_AGE_SECONDS and not place.upgrade)):
        return _release_of(known["release"])
    if place.offline:
        raise LockError(
            f"the index of Debian's {suite} is not in the cache, and the network is not to be used",
            code="IW205",
            fix="run it once without --offline",
        )
    headers = {name: known[key] for key, name in _VALIDATORS.items() if known.get(key)}
    ok = (200, 304, 404) if optional else (200, 304)
    response = place.transport.request("GET", url, headers=headers, ok=ok, limit=MAX_BYTES)
    if response.status == 304 and known:
        release = _release_of(known["release"])
    elif response.status == 404:
        release = None
    else:
        text = signed_text(response.body, place.keyring, redacted(url))
        release = _parse(text.decode(), archive, suite, codename, redacted(url))
    validators = {key: response.headers.get(key, known.get(key, "")) for key in ("etag", "last-modified")}
    _remember(memory, {"url": _digest_of(url), "keyring": keyring, "checked": int(place.now()), **validators}, release)
    return release


_VALIDATORS = {"etag": "if-none-match", "last-modified": "if-modified-since"}


def _parse(text: str, archive: str, suite: str, codename: str, url: str) -> ReleaseFile:
    try:
        said = fields(text)
    except ValueError as error:
        raise IntegrityError(f"{url} is not a release file", code="IW511", why=str(error)) from error
    origin, named = said.get("Origin", ""), said.get("Codename", "")
    # A good signature alone could be that of another suite, an older one for instance.
    if codename:
        right = origin == "Debian" and named.removesuffix("-security").removesuffix("-updates") == codename
    else:
        right = origin in ("Debian", "Debian Backports") and suite in (named, said.get("Suite", ""))
    if not right:
        raise LockError(
            f"{url} is not the archive that it should be",
            code="IW206",
            why=f'it says "Origin: {origin}" and "Codename: {named}"; wanted was Debian\'s {codename or suite}',
            fix="imagewright build --debian-mirror http://mirror.example.com/debian",
        )
    packages: dict[str, tuple[Digest, int]] = {}
    for line in said.get("SHA256", "").splitlines():
        match = _ENTRY.fullmatch(line.strip())
        if match:
            packages[match["architecture"]] = (Digest(f"sha256:{match['sha256']}"), int(match["size"]))
    until = said.get("Valid-Until", "")
    return ReleaseFile(
        archive,
        suite,
        codename,
        int(parsedate_to_datetime(until.replace("UTC", "GMT")).timestamp()) if until else 0,
        said.get("Acquire-By-Hash", "") == "yes",
        packages,
    )


_ENTRY = re.compile(
    r"(?P<sha256>[0-9a-f]{64})\s+(?P<size>[0-9]+)\s+main/binary-(?P<architecture>[a-z0-9]+)/Packages\.xz"
)


def _digest_of(url: str) -> str:
    return digest_of(url.encode())  # the address may hold a password


def _recall(path: Path, url: str, keyring: Digest) -> dict[str, Any]:
    """What was remembered of this very address and keyring, or nothing."""
    try:
        known = json.loads(path.read_bytes())
        _release_of(known["release"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    wanted = {"format": _FORMAT, "url": _digest_of(url), "keyring": keyring}
    return known if isinstance(known, dict) and wanted.items() <= known.items() else {}


def _remember(path: Path, about: dict[str, Any], release: ReleaseFile | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(json.dumps({"format": _FORMAT, **about, "release": asdict(release) if release else None}))
    temporary.replace(path)


def _release_of(document: dict[str, Any] | None) -> ReleaseFile | None:
    if document is None:
        return None
    packages = {name: (parse_digest(digest), int(size)) for name, (digest, size) in document["packages"].items()}
    return ReleaseFile(**{**document, "packages": packages})
