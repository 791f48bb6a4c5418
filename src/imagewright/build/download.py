"""Input files by digest: downloaded once, checked on the way, shared by threads and processes."""

import errno
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagewright.build.local_files import LocalFiles
from imagewright.build.part_file import PartFile, open_part
from imagewright.build.proofs import Proofs
from imagewright.errors import CredentialsError, IntegrityError, LockError, NetworkError, StoreError, redacted
from imagewright.events import FileDownloaded, Listener, nobody
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, hex_of
from imagewright.parallel import run_all
from imagewright.transport import AnswerError, Transport

MOST_BREAKS = 5  # how often an answer may break off without a byte of progress before the download is given up


def local_path(url: str) -> Path | None:
    """The path of a ``file:`` URL, else None."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


class Downloads:
    """The `Inputs` of layers, in ``folder``/sha256/<hex>. Safe to share between threads; processes share the folder.

    ``locate`` turns a URL of a lock into an address that can be asked (``deb:`` URLs name no host), ``headers`` gives
    the login for it. ``local`` says where a file is that is on this machine: ``file:`` URLs are used where they are,
    without a copy. What was cut off is resumed.
    A file that was changed after its download is noticed (its digest is remembered with its size, mtime and inode) and
    downloaded again.
    """

    def __init__(
        self,
        folder: Path,
        transport: Transport,
        *,
        local: Callable[[str], Path | None] = local_path,
        locate: Callable[[str], str] = lambda url: url,
        headers: Callable[[str], Mapping[str, str]] = lambda url: {},
        offline: bool = False,
        listen: Listener = nobody,
    ) -> None:
        self._folder = folder / "sha256"
        self._local = LocalFiles(folder / "local")
        self._proofs = Proofs(folder / "proven")
        self._transport = transport
        self._local_path, self._locate, self._headers = local, locate, headers
        self._offline = offline
        self._listen = listen

    def path(self, file: InputFile) -> Path:
        """The file on this machine, downloaded if it is not there yet, its digest and size checked.

        Raises:
            LockError: It is not there, and there is no network to be used (IW205).
            NetworkError, CredentialsError: It cannot be had.
            IntegrityError: It is not what the lock says, not even when it was downloaded anew.
            StoreError: It cannot be written here.
        """
        local = self._local_path(file.url)
        if local is not None:
            return self._local.check(local, file)
        stored = self._stored(file.digest)
        if self._has(file):
            return stored
        if file.url.startswith("built:"):
            raise LockError(
                f"{_name(file.url)}, which was built here, is not here any more",
                code="IW205",
                fix="run the same command again: it is built anew",
            )
        if self._offline:
            raise _missing([file])
        self._download(file, stored)
        return stored

    def fetch_all(self, files: Iterable[InputFile], *, jobs: int = 8) -> None:
        """Have all of these here, several at once. Offline, the error names all that are missing.

        Raises:
            LockError, NetworkError, CredentialsError, IntegrityError, StoreError: As `path` does.
        """
        wanted = sorted(set(files))
        if self._offline:
            missing = [file for file in wanted if self._local_path(file.url) is None and not self._has(file)]
            if missing:
                raise _missing(missing)
        run_all(self.path, wanted, jobs=jobs)

    def pin(self, url: str, digest: Digest | None) -> InputFile:
        """The file at ``url`` with its digest and size, for a lock. Without a digest it is downloaded for it.

        Raises:
            LockError, NetworkError, CredentialsError, StoreError: As `path` does.
        """
        local = self._local_path(url)
        if local is not None:
            return self._local.pin(local, url)
        if digest is not None and (stored := self._stored(digest)).is_file():
            return InputFile(url, digest, stored.stat().st_size)
        if self._offline:
            raise LockError(f"{_name(url)} is not here, and --offline forbids to ask for it", code="IW205", why=url)
        if digest is not None and (size := self._size(url)) is not None:
            return InputFile(url, digest, size)
        return self._download_unknown(url)

    def is_proven(self, file: InputFile, rules: str) -> bool:
        """Whether a file of this digest was found to keep ``rules`` before."""
        return self._proofs.has(file, rules)

    def remember_proof(self, file: InputFile, rules: str) -> None:
        """Take note that it does."""
        self._proofs.add(file, rules)

    def known(self, path: Path) -> Digest | None:
        """The digest of a file of this machine, if it is known without reading the file."""
        return self._local.known(path)

    def _stored(self, digest: Digest) -> Path:
        return self._folder / hex_of(digest)

    def _has(self, file: InputFile) -> bool:
        stored = self._stored(file.digest)
        try:
            return stored.stat().st_size == file.size and self._local.digest(stored) == (file.digest, file.size)
        except (FileNotFoundError, NotADirectoryError, LockError):
            return False

    def _download(self, file: InputFile, stored: Path) -> None:
        started = time.monotonic()
        with _space(stored), open_part(stored.with_suffix(".part")) as part:
            if self._has(file):  # another thread or process was faster
                return
            for last in (False, True):
                self._fill(file, part)
                got = (part.digest, part.size)
                if got == (file.digest, file.size):
                    break
                part.restart()
                if last:
                    raise _not_the_file(file, *got, self._locate(file.url))
            part.finish(stored)
        self._listen(FileDownloaded(file.url, file.size, time.monotonic() - started))

    def _fill(self, file: InputFile, part: PartFile) -> None:
        """Download what is missing of the part."""
        breaks = 0
        while True:
            before = part.size
            try:
                self._append(file.url, part, limit=file.size)
            except NetworkError as error:
                # Only an answer that broke off is asked for again: the transport has repeated the rest.
                if isinstance(error, AnswerError) or not part.answered:
                    raise
                breaks = 0 if part.size > before else breaks + 1
                if breaks >= MOST_BREAKS:
                    raise
                continue
            if part.size >= file.size or part.size == before:
                return

    def _append(self, url: str, part: PartFile, *, limit: int | None) -> None:
        address = self._locate(url)
        headers = dict(self._headers(address))
        part.answered = False
        if part.size:
            if limit is not None and part.size >= limit:
                return
            headers["Range"] = f"bytes={part.size}-"
            if part.validator:
                headers["If-Range"] = part.validator
        try:
            with self._transport.stream("GET", address, headers=headers, ok=(200, 206, 416)) as answer:
                part.answered = True
                if answer.status == 416 or (answer.status == 206 and _first_byte(answer.headers) != part.size):
                    part.restart()
                    raise NetworkError(f"{_name(url)}: the server does not resume", code="IW502", why=redacted(address))
                if answer.status == 200:
                    part.restart()
                part.validator = _validator(answer.headers)
                for chunk in answer.chunks():
                    part.write(chunk)
                    if limit is not None and part.size > limit:
                        return
        except AnswerError as error:
            raise _refused(error, url, address) from error

    def _size(self, url: str) -> int | None:
        address = self._locate(url)
        try:
            answer = self._transport.request("HEAD", address, headers=self._headers(address))
        except AnswerError as error:
            if error.response.status in (405, 501):
                return None
            raise _refused(error, url, address) from error
        length = answer.headers.get("content-length", "")
        return int(length) if length.isdigit() else None

    def _download_unknown(self, url: str) -> InputFile:
        started = time.monotonic()
        name = hashlib.sha256(url.encode()).hexdigest()
        with _space(self._folder), open_part(self._folder / f"url-{name}.part") as part:
            part.restart()  # without a digest there is nothing that would prove a resumed file
            self._append(url, part, limit=None)
            file = InputFile(url, Digest(part.digest), part.size)
            part.finish(self._stored(file.digest))
        self._listen(FileDownloaded(url, file.size, time.monotonic() - started))
        return file


@contextmanager
def _space(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space is left for downloads in {place.parent}",
                code="IW522",
                why=str(error),
                kept="what is downloaded already; the next build goes on from there",
                fix="imagewright cache prune, or set IMAGEWRIGHT_CACHE_DIR to a folder with more space",
            ) from error
        raise StoreError(
            f"the download folder {place.parent} cannot be written",
            why=str(error),
            fix="set IMAGEWRIGHT_CACHE_DIR to a folder of your own",
        ) from error


def _validator(headers: Mapping[str, str]) -> str:
    """A strong ETag: only that may stand in If-Range. Source: RFC 9110, section 13.1.5."""
    tag = headers.get("etag", "")
    return tag if tag.startswith('"') else ""


def _first_byte(headers: Mapping[str, str]) -> int:
    first = headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2] or redacted(url)


def _missing(files: list[InputFile]) -> LockError:
    names = [_name(file.url) for file in files]
    shown = [*names[:6], *([f"and {len(names) - 6} more"] if len(names) > 6 else [])]
    what = f"{len(files)} files are" if len(files) > 1 else f"{names[0]} is"
    return LockError(
        f"{what} not in the download cache, and --offline forbids to ask for it",
        code="IW205",
        why=shown if len(files) > 1 else (),
        fix="run it once without --offline",
    )


def _refused(error: AnswerError, url: str, address: str) -> Exception:
    host, status = urlsplit(address).hostname or "", error.response.status
    if status == 401:
        return CredentialsError(
            f"{host} wants a login to give {_name(url)}, and none was found" if host else f"{_name(url)} wants a login",
            code="IW401",
            why=["looked in: the index URL, UV_INDEX_<NAME>_PASSWORD, pip's configuration, ~/.netrc"],
            fix=f"put the login for {host} into ~/.netrc, or into the index URL",
        )
    if status == 403:
        return CredentialsError(f"{host} refuses to give {_name(url)}", code="IW403", why=list(error.why))
    if status in (404, 410):
        return NetworkError(
            f"{_name(url)} is not at {host} any more",
            code="IW503",
            why=redacted(address),
            fix="resolve again: --upgrade",
        )
    return error


def _not_the_file(file: InputFile, digest: str, size: int, address: str) -> IntegrityError:
    return IntegrityError(
        f"{_name(file.url)} is not the file that was locked",
        why=[
            f"expected {file.digest}, {file.size} bytes",
            f"got      {digest}, {size} bytes or more, twice",
            f"from     {redacted(address)}",
        ],
        kept="nothing of it was used",
        fix="if the index changed the file on purpose, resolve again: --upgrade",
    )
