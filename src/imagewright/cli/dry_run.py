"""`imagewright build --dry-run`: what a build would do to each layer, with bytes."""

from collections.abc import Sequence
from typing import Any, Literal

from imagewright.build.destination import target_reference
from imagewright.build.given import GivenLayer
from imagewright.build.kinds import AnyLayer
from imagewright.build.lock_check import check_lock_files
from imagewright.build.planned import planned
from imagewright.build.records import Records
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.builders.existing import existing
from imagewright.builders.native import check_supported
from imagewright.cli.terminal import clean, many, size_text
from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest, hex_of
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout

How = Literal["base", "known", "write", "download"]

_WORDS: dict[How, str] = {
    "base": "of the base image, as they are",
    "known": "in the store",
    "write": "to write",
    "download": "to download and write",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One layer. ``size`` is in bytes: of the layer when it is known, else of the files that it is made from."""

    title: str
    how: How
    size: int
    platform: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a build would do. ``exists`` says that the image is there, so that nothing would be done."""

    name: str
    reference: Reference
    exists: bool
    rows: tuple[Row, ...]


def describe(spec: ImageSpec, session: Session) -> DryRun:
    """What building this spec would do. It resolves the requirements; it writes and downloads no layer."""
    platforms = check_supported(spec)
    check_lock_files([spec], session)
    reference = target_reference(spec, session)
    exists = existing(spec, reference, session) is not None
    rows: list[Row] = []
    seen: set[Digest] = set()
    wanted: set[Digest] = set()
    for platform in platforms:
        lock = lock_of(spec, platform, session, upgrade=session.upgrade)
        for layer in planned(spec, lock, session).plan.layers:
            how, size = _fate(layer, session, wanted)
            # What another platform has as well is made once.
            rows.append(Row(layer.title or "base image", "known" if layer.key in seen else how, size, str(platform)))
            seen.add(layer.key)
    return DryRun(spec.name, reference, exists, tuple(rows))


def _fate(planned: AnyLayer, session: Session, wanted: set[Digest]) -> tuple[How, int]:
    """``wanted`` are the files that layers before it have downloaded: bytecode is made of its wheels' files."""
    if isinstance(planned, GivenLayer):
        return "base", planned.layer.descriptor.size
    layer = Records(session.layers_dir).find(planned.key)
    if layer is not None and Layout(session.store_dir).exists(layer.descriptor):
        return "known", layer.descriptor.size
    missing = [
        file
        for file in planned.inputs
        if not file.url.startswith(("file:", "channel:"))
        and file.digest not in wanted
        and not (session.files_dir / "sha256" / hex_of(file.digest)).exists()
    ]
    if missing:
        wanted.update(file.digest for file in missing)
        return "download", sum(file.size for file in missing)
    return "write", sum(file.size for file in planned.inputs)


def as_text(dry: DryRun) -> str:
    """A line for each layer that would be made, one for those that are there, and the sum."""
    lines = [f"{dry.name}  {dry.reference}"]
    if dry.exists:
        return f"{lines[0]}\n  there already: nothing would be done"
    there: tuple[How, ...] = ("base", "known")
    several = len({row.platform for row in dry.rows}) > 1
    groups = {how: [row for row in dry.rows if row.how == how] for how in there}
    lines += [f"  {many(len(g), 'layer'):<40}{_size(g):>9}  {_WORDS[how]}" for how, g in groups.items() if g]
    lines += [
        f"  {clean(row.title):<40}{size_text(row.size):>9}  {_WORDS[row.how]}{f', {row.platform}' if several else ''}"
        for row in dry.rows
        if row.how not in there
    ]
    wanted = [row for row in dry.rows if row.how == "download"]
    return "\n".join([*lines, f"  {'to download in all':<40}{_size(wanted):>9}"])


def as_json(dry: DryRun) -> dict[str, Any]:
    """The same for programs."""
    rows = [{"title": row.title, "how": row.how, "size": row.size, "platform": row.platform} for row in dry.rows]
    return {"name": dry.name, "reference": str(dry.reference), "exists": dry.exists, "layers": rows}


def _size(rows: Sequence[Row]) -> str:
    return size_text(sum(row.size for row in rows))
