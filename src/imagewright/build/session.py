"""What a build is given by whoever asks for it: places, limits and the outside world."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.events import Listener, nobody
from imagewright.transport import Transport


@dataclass(frozen=True, slots=True)
class Session:
    """One command's surroundings. Nothing below reads the environment: ``environ`` is what it may see of it.

    ``jobs`` bounds the threads that write layers; ``registry`` overrides every spec's own ("local" is the local store).
    ``upgrade`` resolves anew; ``locked`` wants a lock file for every image, and takes nothing that is not in it.
    ``assume_exists``: an image whose registry cannot be asked is taken to be there.
    ``debian_mirror`` is ``http://host/debian``, used before the mirrors of the host's own apt configuration;
    ``layer_cache`` is where layers are shared: "own" (the image's repository), "off", or a repository.
    ``debian_snapshots`` is where the archives are kept as they were.
    """

    cache_dir: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    builder: str = ""
    jobs: int = 2
    offline: bool = False
    upgrade: bool = False
    locked: bool = False
    debian_mirror: str = ""
    debian_keyring: str = ""
    debian_snapshots: str = ""
    insecure_registries: tuple[str, ...] = ()
    assume_exists: bool = False
    layer_cache: str = "own"
    listen: Listener = nobody
    transport: Transport = field(default_factory=Transport)

    @property
    def store_dir(self) -> Path:
        """The OCI layout that is the local store."""
        return self.cache_dir / "store"

    @property
    def files_dir(self) -> Path:
        """Downloaded files, by digest."""
        return self.cache_dir / "files"

    @property
    def layers_dir(self) -> Path:
        """Which layer a key has led to."""
        return self.cache_dir / "layers"

    @property
    def locks_dir(self) -> Path:
        """Locks that were resolved before, by what was asked."""
        return self.cache_dir / "locks"

    @property
    def bases_dir(self) -> Path:
        """What base images hold, by the digests of their layers, and their manifests."""
        return self.cache_dir / "bases"

    @property
    def rootfs_dir(self) -> Path:
        """Unpacked layers, for containers that run here."""
        return self.cache_dir / "rootfs"

    @property
    def debian_dir(self) -> Path:
        """Indexes of Debian archives."""
        return self.cache_dir / "index"

    @property
    def conda_dir(self) -> Path:
        """Indexes of conda channels."""
        return self.cache_dir / "conda"

    @property
    def uv_dir(self) -> Path:
        """uv's own cache."""
        return self.cache_dir / "uv"
