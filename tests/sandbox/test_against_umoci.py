"""Random layers, unpacked and merged, against what umoci makes of them."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sandbox.layers import Member, folder, layer_of_tar, member, symlink, tar_of

from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.image import assemble
from imagewright.oci.platform import Platform
from imagewright.sandbox.merge import merge
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.tar import TarReader, TarSource
from imagewright.sandbox.unpack import unpack

pytestmark = [
    pytest.mark.tool,
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="owners are compared"),
]

PARTS = ["a", "b", "c"]
paths = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join)
modes = st.sampled_from([0o600, 0o644, 0o755])
entries = st.one_of(
    st.builds(lambda p, c, m: member(p, c, mode=m, mtime=5), paths, st.binary(max_size=3), modes),
    st.builds(lambda p, m, o: folder(p, m | 0o100, owner=o), paths, modes, st.sampled_from([0, 1000])),
    st.builds(symlink, paths, st.sampled_from(["x", "../a", "/b"])),
    st.builds(lambda p: member("/".join([*p.split("/")[:-1], ".wh." + p.split("/")[-1]])), paths),
    st.builds(lambda p: member(p + "/.wh..wh..opq"), paths),
)


def plausible(wanted: Sequence[Member]) -> list[Member]:
    """A layer as tools write them: no name twice, parents first and as directories, nothing and its whiteout."""
    kinds: dict[str, bool] = {}
    result: list[Member] = []
    for info, content in wanted:
        name = info.name.replace(".wh..wh..opq", "").replace(".wh.", "").rstrip("/")
        parents = ["/".join(name.split("/")[:count]) for count in range(1, name.count("/") + 1)]
        opaque = info.name.endswith(".wh..wh..opq")
        if opaque:
            parents.append(name)
        if any(kinds.get(parent) is False for parent in parents) or (not opaque and name in kinds):
            continue
        for parent in parents:
            if parent not in kinds:
                kinds[parent] = True
                result.append(folder(parent, 0o755))
        if opaque and any(made.name == info.name for made, _ in result):
            continue
        if not opaque:
            kinds[name] = info.isdir()
        result.append((info, content))
    return result


layer_lists = st.lists(st.lists(entries, max_size=6).map(plausible), min_size=1, max_size=4)


def umoci_unpacks(tars: Sequence[bytes], folder: Path) -> Path:
    layout = folder / "layout"
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    stored: list[Layer] = []
    for tar in tars:
        made = layer_of_tar(tar)
        data = b"".join(made.chunks())
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        stored.append(Layer(Descriptor(made.media_type, digest_of(data), len(data)), made.diff_id))
    image = assemble(ImageConfig(Platform("linux", "amd64")), stored, [HistoryEntry("test")] * len(stored))
    (blobs / hex_of(image.config_descriptor.digest)).write_bytes(image.config)
    (blobs / hex_of(image.descriptor.digest)).write_bytes(image.manifest)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    named = {**image.descriptor.to_json(), "annotations": {"org.opencontainers.image.ref.name": "t"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    command = ["umoci", "unpack", "--image", f"{layout}:t", str(folder / "bundle")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "bundle" / "rootfs"


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        mode = 0 if path.is_symlink() else stat.S_IMODE(status.st_mode)
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), mode, status.st_uid, content)
    return found


@settings(max_examples=40)
@given(layer_lists)
def test_merged_layers_are_what_umoci_unpacks(layers: list[list[Member]]) -> None:
    """Kinds, modes, owners and contents of every path agree."""
    tars = [tar_of(members) for members in layers]
    with tempfile.TemporaryDirectory() as scratch:
        parts = []
        for number, tar in enumerate(tars):
            path = Path(scratch, str(number))
            path.mkdir()
            parts.append((str(path), unpack(TarReader(TarSource([tar])), str(path), keep_owners=True)))
        merged = Path(scratch, "merged")
        merged.mkdir()

        merge(parts, str(merged), keep_owners=True)

        assert tree(merged) == tree(umoci_unpacks(tars, Path(scratch)))


@settings(max_examples=15)
@given(layer_lists)
def test_lookups_see_what_umoci_unpacks(layers: list[list[Member]]) -> None:
    """A lookup in the stack of folders finds exactly the files that are there when all is unpacked."""
    tars = [tar_of(members) for members in layers]
    stored: list[StoredLayer] = [layer_of_tar(tar) for tar in tars]
    with tempfile.TemporaryDirectory() as scratch:
        stack = Rootfs(Path(scratch, "rootfs")).prepare(stored)

        expected = umoci_unpacks(tars, Path(scratch))

        for first in PARTS:
            for second in ("", *PARTS):
                path = expected / first / second
                if not path.parent.is_symlink() and not path.is_symlink():
                    assert stack.exists(f"{first}/{second}") == path.exists(), path
                    assert stack.read(f"{first}/{second}") == (path.read_bytes() if path.is_file() else b"")
