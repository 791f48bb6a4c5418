"""Where a build's input files come from: the indexes of the spec and of this machine, and the Debian mirrors."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.build.download import Downloads, local_path
from imagewright.build.pip_secrets import with_pip_secrets
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.indexes_pip import PipSettings, pip_config_files, read_pip_settings
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec

if TYPE_CHECKING:  # 30 ms that a build which asks for no file does not pay
    from imagewright.build.cuda import CudaPackages
    from imagewright.packages.conda.channels import Channels
    from imagewright.packages.conda.logins import StoredLogins
    from imagewright.packages.deb.mirror import Mirrors
    from imagewright.packages.pypi.indexes_login import Logins
    from imagewright.packages.pypi.request import Request

APT = Path("/etc/apt")
CONDA = (".conda", ".tar.bz2")


def mirrors(session: Session) -> "Mirrors":
    """The Debian mirrors: the one that was set, else those of the machine's own apt configuration.

    Raises:
        LockError: None is known (IW206).
    """
    from imagewright.packages.deb.mirror import Mirrors, apt_sources, mirrors_at, mirrors_of

    snapshots = session.debian_snapshots.rstrip("/")
    try:
        found = mirrors_at(session.debian_mirror) if session.debian_mirror else mirrors_of(apt_sources(APT))
    except LockError:
        if not snapshots:
            raise
        found = Mirrors("")
    return replace(found, snapshots=snapshots)


def pip_settings(session: Session) -> PipSettings:
    """pip's own settings of this machine, which uv does not read."""
    return read_pip_settings(session.environ, pip_config_files(session.environ, prefix=Path(sys.prefix)))


def request_of(spec: ImageSpec, target: Target, cuda: "CudaPackages | None" = None) -> "Request":
    """What is asked of the indexes for a spec; ``cuda`` is what that field adds."""
    from imagewright.packages.pypi.request import Request

    return Request(
        (*spec.packages, *(cuda.requirements if cuda else ())),
        target,
        requirements_file=spec.directory / spec.requirements if spec.requirements else None,
        directory=spec.directory,
        index_url=spec.pip_index,
        extra_index_urls=spec.pip_extra_index_url,
        extra_args=spec.pip_extra_args or "",
        constraints=cuda.constraints if cuda else (),
        install_project=spec.install_project,
        image=spec.name,
        where=spec.where,
    )


def conda_channels(spec: ImageSpec) -> "Channels":
    """The conda channels of a spec, and after them those of the specs that it is based on."""
    from imagewright.packages.conda.channels import channels_of

    below = spec.base_image
    while isinstance(below, ImageSpec) and not below.conda_packages:
        below = below.base_image
    names = conda_channels(below).names if isinstance(below, ImageSpec) else ()
    return channels_of(spec.conda_channels, spec.directory, below=names)


def downloads(spec: ImageSpec, session: Session) -> Downloads:
    """The input files of a spec's layers. Logins and mirrors are looked up when the first file has to be downloaded."""

    @cache
    def logins() -> "Logins":
        from imagewright.packages.pypi.indexes import logins_of

        nowhere = Target(Platform("linux", "amd64"), spec.python, "", ("", ""))
        own = with_pip_secrets(spec, session)
        return logins_of(request_of(spec, nowhere), pip_settings(own), own.environ)

    @cache
    def debian() -> "Mirrors":
        return mirrors(session)

    @cache
    def channels() -> "Channels":
        return conda_channels(spec)

    @cache
    def stored() -> "StoredLogins":
        from imagewright.packages.conda.logins import StoredLogins

        return StoredLogins(session.environ)

    def local(url: str) -> Path | None:
        return channels().path(url) if url.startswith("channel:") else local_path(url)

    def locate(url: str) -> str:
        if url.startswith("deb:"):
            return debian().url(url)
        return stored().located(channels().located(url)) if url.endswith(CONDA) else url

    def headers(url: str) -> Mapping[str, str]:
        own = (channels().headers(url) or stored().headers(url)) if url.endswith(CONDA) else {}
        return own or logins().headers(url)

    return Downloads(
        session.files_dir,
        session.transport,
        local=local,
        locate=locate,
        headers=headers,
        offline=session.offline,
        listen=session.listen,
    )
