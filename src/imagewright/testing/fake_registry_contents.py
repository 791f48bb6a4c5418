"""What a registry in memory has, and what it does differently from others."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from imagewright.dataclass import dataclass

USERNAME, PASSWORD, IDENTITY_TOKEN = "alice", "wonderland", "alices-token"
BASIC = "Basic YWxpY2U6d29uZGVybGFuZA=="


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer in place of the right one. With ``after`` the request is done and its answer lost."""

    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: bool = False
    close: bool = False


class Contents:
    """A registry's settings and all that it has. ``fault`` decides over each request; ``requests`` lists them.

    ``auth`` is "", "basic", or "bearer" with a token server of its own at ``/token``, whose tokens say that they are
    good for ``expires_in`` seconds. ``reads`` and ``writes`` say who may: "anyone", "user" or "nobody". The user is
    `USERNAME` with `PASSWORD`, or with `IDENTITY_TOKEN`.

    With ``separate`` a blob or manifest belongs to the repositories that it was pushed to or mounted in; else to all. ``mounts`` is
    "yes", "no" (202: an upload was begun instead) or "lies" (201, and nothing is there). Without ``ranges`` parts of
    blobs cannot be had, without ``resumes`` an upload that broke off is forgotten, without ``referrers`` there is no such
    page. With ``pieces`` its uploads have addresses like those of docker's own, which takes them in pieces. ``most_bytes`` is the largest body that it takes, ``most_tags`` how many it lists at once. ``repositories``, if not None, are the only ones there are.
    """

    def __init__(
        self,
        *,
        auth: str = "",
        reads: str = "user",
        writes: str = "user",
        expires_in: int | None = None,
        separate: bool = False,
        mounts: Literal["yes", "no", "lies"] = "no",
        ranges: bool = True,
        resumes: bool = True,
        referrers: bool = True,
        pieces: bool = False,
        most_bytes: int | None = None,
        repositories: set[str] | None = None,
        most_tags: int = 1000,
    ) -> None:
        self.auth, self.reads, self.writes, self.expires_in = auth, reads, writes, expires_in
        self.separate, self.mounts, self.ranges, self.resumes = separate, mounts, ranges, resumes
        self.referrers, self.most_bytes, self.repositories = referrers, most_bytes, repositories
        self.upload_state = "_state=x" if pieces else "state=x"
        self.most_tags = most_tags
        self.fault: Callable[[str, str], Fault | None] = lambda method, path: None
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.asked_tokens: list[Mapping[str, list[str]]] = []
        self.blobs: dict[str, bytes] = {}
        self.links: set[tuple[str, str]] = set()
        self.uploads: dict[str, bytearray] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        self.place = ""

    def blob(self, repository: str, digest: str) -> bytes | None:
        """The bytes that ``repository`` has under a digest."""
        linked = not self.separate or (repository, digest) in self.links
        return self.blobs.get(digest) if linked else None

    def manifest(self, repository: str, name: str) -> tuple[str, bytes] | None:
        """The media type and bytes of a manifest that ``repository`` has under a tag or a digest."""
        return self.manifests.get(self.key(repository, name))

    def key(self, repository: str, name: str) -> str:
        """What a manifest is kept under."""
        return f"{repository}/{name}" if self.separate else name

    def keep(self, repository: str, data: bytes) -> str:
        """Have a blob in ``repository``; its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        self.links.add((repository, digest))
        return digest

    def referrers_of(self, repository: str, subject: str) -> list[dict[str, Any]]:
        """The descriptors of the manifests that name ``subject`` as theirs."""
        found = []
        for key, (media_type, data) in self.manifests.items():
            document, name = json.loads(data), key.rpartition("/")[2]
            if (
                key == self.key(repository, name)
                and name.startswith("sha256:")
                and (document.get("subject") or {}).get("digest") == subject
            ):
                kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType", "")
                found.append({"mediaType": media_type, "digest": name, "size": len(data), "artifactType": kind})
        return found
