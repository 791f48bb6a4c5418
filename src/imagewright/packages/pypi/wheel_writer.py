"""Writes wheels into one layer, as an installer would lay their files out."""

from collections.abc import Iterable

from imagewright.layer.encoder import Encoder
from imagewright.layer.planned import Inputs, Sink
from imagewright.layer.splice import BrokenStream
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID
from imagewright.packages.pypi.conflicts import Claims, meaning_in
from imagewright.packages.pypi.install import installed_files
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import Member, RefusedArchive
from imagewright.packages.pypi.wheel import RULES, open_wheel
from imagewright.packages.target import Target


def write_wheels(
    wheels: Iterable[LockedWheel],
    target: Target,
    allow_bad_record: frozenset[str],
    inputs: Inputs,
    out: Sink,
    *,
    encoder: Encoder,
) -> DiffID:
    """Write the layer of these wheels, in their order.

    Raises:
        RefusedArchive: IW303: a wheel is broken or hostile. What was written to ``out`` is worth nothing then.
        LockError: IW207: two wheels have different files for one path.
    """
    claims = Claims()
    whole: list[LockedWheel] = []
    try:
        with LayerWriter(out, encoder=encoder) as layer:
            for wheel in wheels:
                allowed = wheel.name in allow_bad_record
                if _add(wheel, target, allowed, inputs, layer, claims) and not allowed:
                    whole.append(wheel)
    except BrokenStream as error:
        filename, _, member = error.origin.partition(": ")
        raise RefusedArchive(filename, error.rule, member) from error
    for wheel in whole:
        inputs.remember_proof(wheel.file, RULES)
    return layer.diff_id


def _add(
    locked: LockedWheel, target: Target, allow_bad_record: bool, inputs: Inputs, layer: LayerWriter, claims: Claims
) -> bool:
    """Whether all of its files were looked at.

    A wheel that was proven before is not held against its RECORD once more, which is a sixth of the work. Sizes and CRCs are still compared.
    """
    path = inputs.path(locked.file)
    proven = not allow_bad_record and inputs.is_proven(locked.file, RULES)
    whole = True
    meaning = meaning_in(locked, inputs, target, allow_bad_record)
    filename = locked.filename
    with open_wheel(path, filename, allow_bad_record=allow_bad_record) as wheel:
        for file in installed_files(wheel, target):
            if not claims.take(filename, file.path, file.recorded, meaning):
                whole = False
                continue
            if isinstance(file.content, Member):
                content = wheel.archive.content(file.content, None if proven else file.recorded)
                layer.file(file.path, content, file.mode, size=file.size)
            else:
                layer.file(file.path, file.content, file.mode)
        layer.settle()
    return whole
