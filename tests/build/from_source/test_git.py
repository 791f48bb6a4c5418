"""Commits of git repositories: what a revision stands for, and the archive of it. By the machine's own git."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagewright.build.from_source.git import Repositories
from imagewright.errors import LockError, NetworkError, SandboxError
from imagewright.packages.pypi.source import Source

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A repository in a folder, with a commit for each file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit("one")

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def git(self, *arguments: str) -> str:
        environ = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(self.folder)}
        named = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", *named, *arguments], cwd=self.folder, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, name: str) -> str:
        (self.folder / name).write_text(name)
        self.git("add", name)
        self.git("commit", "-q", "-m", name)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def clones(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "git", {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)})


def test_a_revision_is_locked_to_its_commit(repository: Repository, clones: Repositories) -> None:
    """The default branch, a branch, a tag, a commit; what moved is seen by the next lock."""
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-m", "x", "v1")
    second = repository.commit("two")
    repository.git("branch", "side", first)

    found = {
        revision: clones.locked(Source("git", repository.url, revision=revision)).commit
        for revision in ("", "main", "side", "v1", first)
    }
    third = repository.commit("three")

    assert found == {"": second, "main": second, "side": first, "v1": first, first: first}
    assert clones.locked(Source("git", repository.url, revision="main")).commit == third
    assert clones.locked(Source("git", repository.url, revision="main", commit=first)).commit == first


def test_a_commit_that_is_here_is_not_asked_for(repository: Repository, clones: Repositories, tmp_path: Path) -> None:
    """Not even when the repository is gone, and with --offline a branch is what it was."""
    commit = clones.locked(Source("git", repository.url)).commit
    repository.folder.rename(tmp_path / "gone")
    offline = Repositories(tmp_path / "git", {"PATH": "/usr/bin:/bin:/usr/local/bin"}, offline=True)

    assert clones.locked(Source("git", repository.url, revision=commit)).commit == commit
    assert offline.locked(Source("git", repository.url, revision="main")).commit == commit
    with pytest.raises(NetworkError, match="git cannot read"):
        clones.locked(Source("git", repository.url, revision="main"))
    with pytest.raises(LockError, match="--offline") as caught:
        offline.locked(Source("git", repository.url, revision="other"))
    assert caught.value.code == "IW205"


def test_what_is_not_there(repository: Repository, clones: Repositories, tmp_path: Path) -> None:
    """No such revision, no git; the login of a URL is in no text."""
    with pytest.raises(LockError, match="has no revision 'v9'") as caught:
        clones.locked(Source("git", repository.url, revision="v9"))
    assert caught.value.code == "IW208"

    for bad in (
        Source("git", repository.url, revision="--output=x"),
        Source("git", repository.url, commit="--upload-pack=x"),
    ):
        with pytest.raises(LockError, match="has no revision '--"):
            clones.locked(bad)

    with pytest.raises(SandboxError, match="git, which"):
        Repositories(tmp_path / "git", {"PATH": str(tmp_path)}).locked(Source("git", repository.url))

    url = "http://127.0.0.1:9/a.git"
    with pytest.raises(NetworkError) as refused:
        clones.locked(Source("git", url, login_url="http://u:s3cret@127.0.0.1:9/a.git"))
    assert "s3cret" not in f"{refused.value}"


def test_the_archive_of_a_commit(repository: Repository, clones: Repositories, tmp_path: Path) -> None:
    """Its files and git's own, which backends ask for the version, and nothing of later commits."""
    repository.git("tag", "v1")
    repository.commit("two")
    source = clones.locked(Source("git", repository.url, revision="v1"))
    (tmp_path / "work").mkdir()

    clones.archive(source, tmp_path / "a.tar", tmp_path / "work")

    with tarfile.open(tmp_path / "a.tar") as tar:
        members = {member.name: member for member in tar}
    assert {"source/one", "source/.git/HEAD"} <= members.keys()
    assert "source/two" not in members
    assert {(member.uid, member.mtime) for member in members.values()} == {(0, 315532800)}
