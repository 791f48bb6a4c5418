"""A layer of bytecode: of wheels, or of the interpreter's own library; planned as any layer, and made in the sandbox."""

from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.layer import writer
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, digest_of
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.wheel_layer import INSTALL_VERSION, titled
from imagewright.packages.target import Target

VERSION = 1
"""Goes into the key. Count it up when the same sources give other files."""


@dataclass(frozen=True, slots=True)
class Compiling:
    """Who compiles, and how.

    ``identity`` is the digest of what decides which bytecode the interpreter of ``target`` writes: never its version alone,
    since whoever makes an image can give its Python any version, and the bytecode is for other images as well. ``level`` is that of
    ``python -O``. ``checked``: Python compares each source with its bytecode, as it has to where something may change sources later.
    ``on`` are the keys of the layers that the interpreter needs to run, in their order.
    """

    identity: Digest
    target: Target
    level: int
    checked: bool
    on: tuple[Digest, ...] = field(compare=False)


@dataclass(frozen=True, slots=True)
class BytecodeLayer:
    """The bytecode of ``wheels``, as they are installed; without any, that of the library of the interpreter on its layers.

    It needs the wheels' files, and nobody's layer but the interpreter's. Equal keys give equal bytes, as those of a planned layer do.
    """

    compiling: Compiling
    wheels: tuple[LockedWheel, ...] = ()
    allow_bad_record: frozenset[str] = frozenset()

    @property
    def key(self) -> Digest:
        """The digest of what decides the bytes: the sources, where they are, who compiles them, and how it is written."""
        compiling = self.compiling
        document = {
            "kind": "bytecode",
            "version": [VERSION, writer.VERSION, INSTALL_VERSION],
            "encoder": Fast().id,
            "interpreter": compiling.identity,
            "level": compiling.level,
            "checked": compiling.checked,
        }
        if self.wheels:
            document |= {
                "prefix": compiling.target.prefix,
                "python": compiling.target.python,
                "wheels": [[wheel.filename, wheel.file.digest] for wheel in sorted(self.wheels)],
                "unrecorded": sorted({wheel.name for wheel in self.wheels} & self.allow_bad_record),
            }
        else:
            document |= {"library": compiling.target.interpreter, "on": list(compiling.on)}
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """What a person reads."""
        if self.wheels:
            return f"bytecode of {titled(self.wheels)}"
        target = self.compiling.target
        of_conda = target.interpreter.startswith(f"{target.prefix}/")
        return f"bytecode of python {target.python} {'and its conda packages' if of_conda else 'itself'}"

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The wheels' files."""
        return tuple(wheel.file for wheel in sorted(self.wheels))
