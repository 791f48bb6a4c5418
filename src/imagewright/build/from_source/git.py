"""A commit of a git repository as an archive, by the host's git; repositories are kept, and fetched from once."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imagewright.errors import LockError, NetworkError, SandboxError, Where, redacted
from imagewright.packages.pypi.source import Source

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT_SECONDS = 1800.0


class Repositories:
    """Clones of repositories in ``folder``, all refs of each. ``environ`` is what git may see of the environment."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, offline: bool = False) -> None:
        self._folder = folder
        self._environ = environ
        self._offline = offline

    def locked(self, source: Source, where: Where | None = None) -> Source:
        """The source with the commit that its revision stands for now.

        A commit that is written out, 40 digits, is asked for only where it is not here yet.

        Raises:
            LockError: There is no such revision (IW208), or nothing may be asked (IW205).
            NetworkError: The repository cannot be read.
        """
        wanted = source.commit or (source.revision if _COMMIT.fullmatch(source.revision) else "")
        mirror = self._mirror(source)
        if source.revision.startswith("-") or (source.commit and not _COMMIT.fullmatch(source.commit)):
            raise _no_revision(source, where)  # as git would take it for an option
        if wanted and self._has(mirror, wanted):
            return replace(source, commit=wanted)
        if self._offline:
            if not source.commit and mirror.is_dir() and (commit := self._commit(mirror, source.revision)):
                return replace(source, commit=commit)
            raise LockError(f"{source.url} is not here, and --offline forbids to ask for it", code="IW205", where=where)
        self._fetch(source, mirror, wanted, where)
        commit = (
            wanted if wanted and self._has(mirror, wanted) else "" if wanted else self._commit(mirror, source.revision)
        )
        if not commit:
            raise _no_revision(source, where)
        return replace(source, commit=commit)

    def archive(self, source: Source, to: Path, work: Path, where: Where | None = None) -> None:
        """Write the files of a locked source's commit to the tar ``to``, with submodules, and with ``.git``.

        Backends ask git for the version. ``work`` is an empty folder for this.
        """
        clone = work / "source"
        mirror = self._mirror(source)
        self._git("clone", "--quiet", "--no-checkout", "--no-hardlinks", "--", str(mirror), str(clone), where=where)
        self._git("-C", str(clone), "checkout", "--quiet", "--detach", source.commit, where=where)
        self._git("-C", str(clone), "remote", "set-url", "--", "origin", source.url, where=where)
        if (clone / ".gitmodules").is_file():
            self._git(
                "-C", str(clone), "submodule", "--quiet", "update", "--init", "--recursive", login=source, where=where
            )
        with tarfile.open(to, "w") as tar:
            tar.add(clone, "source", filter=_plain)
        shutil.rmtree(clone)

    def _mirror(self, source: Source) -> Path:
        return self._folder / f"{hashlib.sha256(source.url.encode()).hexdigest()}.git"

    def _has(self, mirror: Path, commit: str) -> bool:
        return (
            mirror.is_dir() and self._run("-C", str(mirror), "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0
        )

    def _commit(self, mirror: Path, revision: str) -> str:
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}") if revision else ("HEAD",):
            done = self._run("-C", str(mirror), "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
            if done.returncode == 0:
                return done.stdout.strip()
        return ""

    def _fetch(self, source: Source, mirror: Path, wanted: str, where: Where | None) -> None:
        if not mirror.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            part = mirror.with_name(f"{mirror.name}.{os.getpid()}.part")
            shutil.rmtree(part, ignore_errors=True)
            try:
                self._git("clone", "--quiet", "--mirror", "--", source.url, str(part), login=source, where=where)
                if not mirror.is_dir():
                    part.rename(mirror)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        else:
            self._git(
                "-C", str(mirror), "fetch", "--quiet", "--prune", "origin", "+refs/*:refs/*", login=source, where=where
            )
            self._run("-C", str(mirror), "remote", "set-head", "origin", "--auto", login=source)
        if wanted and not self._has(mirror, wanted):  # one that no branch or tag leads to
            self._run("-C", str(mirror), "fetch", "--quiet", "origin", wanted, login=source)

    def _git(self, *arguments: str, login: Source | None = None, where: Where | None) -> None:
        done = self._run(*arguments, login=login)
        if done.returncode != 0:
            url = login.url if login else arguments[-1]
            lines = [redacted(line) for line in done.stderr.splitlines() if line.strip()][-4:]
            raise NetworkError(
                f"git cannot read {redacted(url)}",
                code="IW502",
                why=lines,
                fix=f"look whether this works here: git ls-remote {redacted(url)}",
                where=where,
            )

    def _run(self, *arguments: str, login: Source | None = None) -> "subprocess.CompletedProcess[str]":
        environ = {
            **self._environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "LC_ALL": "C",
        }
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            environ.pop(name, None)
        if login is not None and login.login_url not in ("", login.url):
            # By the environment: any user of the machine can read arguments.
            environ |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{login.login_url}.insteadOf",
                "GIT_CONFIG_VALUE_0": login.url,
            }
        program = shutil.which("git", path=environ.get("PATH"))
        if program is None:
            raise SandboxError(
                "git, which a git+... requirement needs, is not on this machine",
                code="IW602",
                fix="apt-get install git",
            )
        return subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environ,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )


def _no_revision(source: Source, where: Where | None) -> LockError:
    return LockError(
        f"{redacted(source.url)} has no revision {source.revision or source.commit or 'HEAD'!r}",
        code="IW208",
        fix="a branch, a tag, or a commit with all of its 40 digits: git+https://host/repo.git@v1.0",
        where=where,
    )


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 315532800
    return member
