"""Where else an image can be had: the mirrors that podman's registries.conf and docker's daemon.json name."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from imagewright.dataclass import dataclass
from imagewright.errors import CredentialsError, IntegrityError, NetworkError, UsageError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.oci.reference import DEFAULT_REGISTRY, check_registry, check_repository
from imagewright.store.registry.repository import Repository


@dataclass(frozen=True, slots=True)
class Location:
    """A repository of a registry, or of a mirror of it. ``plain`` ones are spoken to without TLS.

    ``serves`` says for which references it may be asked: a mirror may be behind, which a digest would tell.
    """

    registry: str
    repository: str
    plain: bool = False
    serves: Literal["all", "digest-only", "tag-only"] = "all"


def locations_of(registry: str, repository: str, environ: Mapping[str, str], etc: Path) -> tuple[Location, ...]:
    """Where an image can be had, in the order in which the places are asked; the registry itself comes last.

    podman's file is the one that CONTAINERS_REGISTRIES_CONF names, else the user's, else the machine's in ``etc``, with
    the files of its folder registries.conf.d. Source: containers-registries.conf(5), version 2; Docker's "Registry as a
    pull through cache".

    Raises:
        UsageError: A file cannot be read, or the registry is blocked in it.
    """
    entry = _entry(f"{registry}/{repository}", _tables(environ, etc))
    if entry is None:
        return (*_of_docker(registry, repository, etc), Location(registry, repository))
    file, table, prefix = entry
    if table.get("blocked") is True:
        raise UsageError(f"{registry}/{repository} is blocked", why=f"by {file}, for {prefix}")
    mirrors = [one for one in table.get("mirror") or () if isinstance(one, dict)]
    digests_only = table.get("mirror-by-digest-only") is True
    found = [_location(file, one, prefix, registry, repository, digests_only=digests_only) for one in mirrors]
    return (*found, _location(file, table, prefix, registry, repository, digests_only=False))


class Mirrored:
    """An image's repository behind its mirrors: each is asked in turn until one answers, the registry itself last.

    Safe to share between threads. What comes is checked by its digest, from wherever it comes.
    """

    def __init__(self, mirrors: Sequence[tuple[Location, Repository]], origin: Repository) -> None:
        self._mirrors, self.origin = mirrors, origin
        self.registry, self.repository = origin.registry, origin.repository
        self._failed: set[tuple[str, Digest]] = set()

    def resolve(self, tag: str) -> Descriptor | None:
        """What ``tag`` (or a digest) points to. A mirror that has it not, or does not answer, is passed over."""
        kind = "digest-only" if tag.startswith("sha256:") else "tag-only"
        for location, one in self._mirrors:
            if location.serves in ("all", kind):
                with suppress(NetworkError, CredentialsError):  # the next place may tell
                    if (found := one.resolve(tag)) is not None:
                        return found
        return self.origin.resolve(tag)

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked. A mirror that fails in the middle is not asked for this blob again."""
        for location, one in self._mirrors:
            if location.serves == "tag-only" or (location.registry, blob.digest) in self._failed:
                continue
            chunks = one.fetch(blob)
            try:
                first = next(chunks, b"")
            except (NetworkError, CredentialsError, IntegrityError):
                continue
            yield first
            try:
                yield from chunks
            except (NetworkError, IntegrityError):
                self._failed.add((location.registry, blob.digest))
                raise
            return
        yield from self.origin.fetch(blob)


def _tables(environ: Mapping[str, str], etc: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The ``[[registry]]`` tables of the files that count, and the file of each; of a later file they come first."""
    config_home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/") / ".config")
    user = Path(config_home) / "containers" / "registries.conf"
    if named := environ.get("CONTAINERS_REGISTRIES_CONF"):
        files = [Path(named)]
    elif user.is_file():
        files = [user]
    else:
        folder = etc / "containers"
        files = [*sorted((folder / "registries.conf.d").glob("*.conf"), reverse=True), folder / "registries.conf"]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            # Debian's own file of short names has a thousand lines, and none of these tables.
            tables = tomllib.loads(text).get("registry") or () if "[[registry]]" in text else ()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise UsageError(f"the mirrors in {file} cannot be read", why=str(error)) from error
        yield from ((file, table) for table in tables if isinstance(table, dict))


def _entry(name: str, tables: Iterator[tuple[Path, dict[str, Any]]]) -> tuple[Path, dict[str, Any], str] | None:
    """The table with the longest prefix of ``name``, and that prefix as it stands in the name."""
    best: tuple[Path, dict[str, Any], str] | None = None
    for file, table in tables:
        prefix = str(table.get("prefix") or table.get("location") or "").rstrip("/")
        matched = _matched(prefix, name)
        if matched and (best is None or len(matched) > len(best[2])):
            best = file, table, matched
    return best


def _matched(prefix: str, name: str) -> str:
    if prefix.startswith("*."):
        host = name.partition("/")[0]
        return host if host.endswith(prefix[1:]) else ""
    return prefix if prefix and (name == prefix or name.startswith(f"{prefix}/")) else ""


def _location(
    file: Path, table: Mapping[str, Any], prefix: str, registry: str, repository: str, *, digests_only: bool
) -> Location:
    """The place that a table names, in place of the prefix."""
    place = str(table.get("location") or prefix).rstrip("/") + f"/{registry}/{repository}"[len(prefix) + 1 :]
    host, _, path = place.partition("/")
    serves: Any = "digest-only" if digests_only else table.get("pull-from-mirror", "all")
    try:
        if serves not in ("all", "digest-only", "tag-only"):
            raise ValueError(f"pull-from-mirror is all, digest-only or tag-only, not {serves!r}")
        return Location(check_registry(host), check_repository(path), table.get("insecure") is True, serves)
    except ValueError as error:
        raise UsageError(f"the mirrors in {file} cannot be read", why=str(error)) from error


def _of_docker(registry: str, repository: str, etc: Path) -> Iterator[Location]:
    """docker's mirrors, which are of docker.io alone."""
    if registry != DEFAULT_REGISTRY:
        return
    file = etc / "docker" / "daemon.json"
    try:
        mirrors = json.loads(file.read_text(encoding="utf-8")).get("registry-mirrors") or ()
        for url in mirrors:
            scheme, _, rest = str(url).rstrip("/").partition("://")
            host, _, path = rest.partition("/")
            where = check_repository(f"{path}/{repository}" if path else repository)
            yield Location(check_registry(host), where, scheme == "http")
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"the mirrors in {file} cannot be read", why=str(error)) from error
