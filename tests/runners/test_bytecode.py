"""Which modules are compiled ahead, and when that is done anew."""

from imagewright.oci.digest import DiffID
from imagewright.runners.bytecode import bytecode_name, imported_names

LAYERS = [DiffID("sha256:" + "1" * 64), DiffID("sha256:" + "2" * 64)]


def test_names_of_all_imports() -> None:
    """Imports at the top and in functions count; relative ones are the user's own; what is no Python is passed over."""
    sources = [
        b"import numpy as np, os.path\nfrom . import near\nfrom .near import x\n",
        b"def f():\n    from sklearn.linear_model import Ridge\n",
        b"this is no Python",
        b"\0",
    ]

    assert imported_names(sources) == ("numpy", "os.path", "sklearn.linear_model")


def test_the_name_says_what_the_bytecode_is_of() -> None:
    """Other layers, another order of them, or other modules are other bytecode."""
    names = {
        bytecode_name(LAYERS, ["numpy"]),
        bytecode_name(LAYERS[::-1], ["numpy"]),
        bytecode_name(LAYERS[:1], ["numpy"]),
        bytecode_name(LAYERS, ["numpy", "pandas"]),
        bytecode_name(LAYERS, []),
    }

    assert len(names) == 5
    assert bytecode_name(LAYERS, ["numpy"]) in names
