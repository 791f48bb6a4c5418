"""Base images as other people make them, from our own default base: Pythons in other places, environments, links."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagewright.layer.read import entries
from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.image import Image, assemble
from imagewright.oci.platform import Platform
from imagewright.store.layout import Layout

Change = tuple[tarfile.TarInfo, bytes]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def file(path: str, content: bytes = b"", mode: int = 0o644) -> Change:
    """A file."""
    info = tarfile.TarInfo(path)
    info.mode, info.size = mode, len(content)
    return info, content


def link(path: str, target: str) -> Change:
    """A symbolic link."""
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    return info, b""


def gone(path: str) -> Change:
    """What takes a path of a lower layer away."""
    folder, _, name = path.rpartition("/")
    return file(f"{folder}/.wh.{name}".lstrip("/"))


@dataclass
class Bases:
    """A layout of base images, made of the default base's Debian packages. ``python`` are the files of its Python."""

    layout: Layout
    debian: Layer
    python: list[Change] = field(default_factory=list)

    def make(self, tag: str, *layers: Sequence[Change], below: bool = True, **config: object) -> Image:
        """An image of the Debian packages (``below``) and of these layers, plain tars, under a tag."""
        made = [self._layer(changes) for changes in layers]
        stack = [*([self.debian] if below else []), *made]
        settings = ImageConfig(**{"platform": Platform("linux", "amd64"), "env": {"PATH": PATH}, **config})  # type: ignore[arg-type]
        image = assemble(settings, stack, [HistoryEntry(f"RUN step {at}") for at in range(len(stack))])
        self.layout.push(image.config_descriptor, [image.config])
        self.layout.push(image.descriptor, [image.manifest])
        self.layout.tag(image.descriptor, tag)
        return image

    def index(self, tag: str, images: Mapping[str, Image]) -> Descriptor:
        """An index of images, by their platforms."""
        manifests = [
            {**image.descriptor.to_json(), "platform": dict(zip(("os", "architecture"), name.split("/"), strict=True))}
            for name, image in images.items()
        ]
        data = json.dumps({"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": manifests}).encode()
        descriptor = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
        self.layout.push(descriptor, [data])
        self.layout.tag(descriptor, tag)
        return descriptor

    def moved(self, prefix: str) -> list[Change]:
        """The Python of the Debian packages at another prefix, called as its own makers install it."""
        changes = [
            (_renamed(info, prefix + "/" + info.name.removeprefix("usr/")), content) for info, content in self.python
        ]
        return [*changes, link(f"{prefix}/bin/python3", "python3.11"), link(f"{prefix}/bin/python", "python3")]

    def without_python(self) -> list[Change]:
        """What takes the Debian packages' Python away."""
        return [gone("usr/bin/python3"), gone("usr/bin/python3.11"), gone("usr/lib/python3.11")]

    def _layer(self, changes: Sequence[Change]) -> Layer:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, content in changes:
                tar.addfile(info, io.BytesIO(content))
        data = out.getvalue()
        descriptor = Descriptor(media_types.LAYER_TAR, digest_of(data), len(data))
        self.layout.push(descriptor, [data])
        return Layer(descriptor, DiffID(descriptor.digest))


def bases_from(store: Layout, image: Descriptor, folder: Path) -> Bases:
    """The bases that can be made from an image of the default base in the local store."""
    manifest = json.loads(b"".join(store.fetch(image)))
    config = json.loads(b"".join(store.fetch(Descriptor.from_json(manifest["config"]))))
    blob = Descriptor.from_json(manifest["layers"][0])
    layout = Layout(folder)
    layout.push(blob, store.fetch(blob))
    bases = Bases(layout, Layer(blob, DiffID(config["rootfs"]["diff_ids"][0])))
    with entries(store.fetch(blob), blob.media_type) as tar:
        for member in tar:
            if member.name.startswith("usr/lib/python3.11/") or member.name == "usr/bin/python3.11":
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    bases.python.append((member, content.read()))
    return bases


def _renamed(info: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    copied = tarfile.TarInfo(name)
    copied.mode, copied.size = info.mode, info.size
    return copied


def distribution(site_packages: str, name: str, version: str, *, commands: bool = False) -> list[Change]:
    """An installed package whose module tells where it is."""
    info = f"{site_packages}/{name}-{version}.dist-info"
    made = [
        file(f"{site_packages}/{name}.py", f"__version__ = {version!r}\nwhere = 'base'\n".encode()),
        file(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()),
        file(f"{info}/RECORD", f"{name}.py,,\n".encode()),
    ]
    return [*made, file(f"{info}/entry_points.txt", b"[console_scripts]\nx = x:x\n")] if commands else made


Make = Callable[[Bases], Image]
