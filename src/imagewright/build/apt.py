"""``apt_packages`` -> a step: apt installs the locked packages, right above the base image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.build.step import GIVEN, Origin, Step, TryOut
from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest
from imagewright.packages.deb.apt import IGNORED, configure, file_name, install, tried
from imagewright.packages.deb.locked import LockedDeb
from imagewright.parallel import cores
from imagewright.spec import ImageSpec

if TYPE_CHECKING:
    from imagewright.sandbox.stack import Stack

TIMEOUT_SECONDS = 3600.0
"""An installation that takes longer waits for an answer that it will not get."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class NativeInstall:
    """Unpacks what of the packages can be unpacked without dpkg, which then has their scripts to run and the rest to do."""

    wanted: tuple[str, ...]
    debs: tuple[LockedDeb, ...]
    version: int = 2

    def prepare(
        self, files: Mapping[str, Path], stack: "Stack", upper: Path, given: Path, is_harmless: TryOut
    ) -> tuple[str, ...] | None:
        """As `Beforehand` says."""
        from imagewright.packages.deb.for_dpkg import ForDpkg  # both for an image with such a step alone
        from imagewright.packages.deb.native import unpack_natively

        paths = {deb.name: files[file_name(deb)] for deb in self.debs}

        def are_harmless(scripts: Mapping[str, bytes]) -> bool:
            for name, script in scripts.items():
                (given / f"{name}.preinst").write_bytes(script)
                (given / f"{name}.preinst").chmod(0o755)
            (given / "try.sh").write_text(tried(tuple(scripts)), encoding="utf-8")
            return is_harmless(("/bin/sh", "-e", f"{GIVEN}/try.sh"))

        try:
            prepared = unpack_natively(self.debs, paths, stack, upper, are_harmless, jobs=cores())
        except ForDpkg:
            return None
        for name, text in configure(self.wanted, self.debs, prepared).items():
            (given / name).write_text(text, encoding="utf-8")
        return ("/bin/sh", "-e", f"{GIVEN}/configure.sh")


def apt_steps(spec: ImageSpec, debs: Sequence[LockedDeb], below: Sequence[Digest]) -> tuple[Step, ...]:
    """The step that installs ``debs``; none when the base image has all that is asked for."""
    if not debs:
        return ()
    wanted = sorted(set(spec.apt_packages))
    how = install(wanted, debs)
    names = ", ".join(wanted[:_SHOWN]) + (f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else "")
    step = Step(
        f"apt packages {names}",
        tuple(below),
        how.argv,
        how.env,
        "/",
        network=False,
        origin=Origin("apt_packages", ", ".join(wanted), where=spec.where_of("apt_packages")),
        files=tuple((file_name(deb), deb.file) for deb in debs),
        texts=how.texts,
        ignored=IGNORED,
        timeout_seconds=TIMEOUT_SECONDS,
        beforehand=NativeInstall(tuple(wanted), tuple(debs)),
    )
    return (step,)
