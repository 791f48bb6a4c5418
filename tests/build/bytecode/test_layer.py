"""Keys and titles of layers of bytecode, and which of them an image has."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.build.locks import AMD64, DEBIAN, IMAGE, deb, lock, wheel
from tests.conftest import Golden

from imagewright.build.budget import SHARED_LAYERS
from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.bytecode.planned import MOST_OWN_LAYERS, bytecode_layers, optimization
from imagewright.build.given import GivenLayer
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.plan import Plan, default_base, plan
from imagewright.build.step import Step
from imagewright.builders.native import check_supported
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import SpecError
from imagewright.layer.planned import InputFile
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.spec import ImageSpec

ON = ImageSpec("demo", packages=["six"], compile_bytecode=True)
SIX = wheel("six", "1.17.0")
IDNA = wheel("idna", "3.10")
PYTHON = deb("python3.11-minimal", "3.11.2-6")


def given(content: bytes) -> GivenLayer:
    blob = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest_of(content), len(content))
    return GivenLayer(Layer(blob, DiffID(digest_of(content))), "")


def planned(spec: ImageSpec, of: Lock, below: Plan | None = None, **more: bool) -> list[BytecodeLayer]:
    base = below or (default_base(of.base) if isinstance(of.base, LockedBase) else Plan("", (), ImageConfig(AMD64)))
    return [layer for layer in plan(spec, of, base, (), **more).layers if isinstance(layer, BytecodeLayer)]


def debian(*debs: str) -> LockedBase:
    return replace(DEBIAN, debs=(*DEBIAN.debs, PYTHON, *(deb(name, "1") for name in debs)))


def test_only_who_asks_has_any() -> None:
    """After the wheels, below the user's files: the interpreter's own, then the wheels'."""
    without = plan(ImageSpec("demo", packages=["six"]), lock(SIX), default_base(DEBIAN), ())
    made = plan(ON, lock(SIX), default_base(DEBIAN), ())

    titles = ["bytecode of python 3.11 itself", "bytecode of six 1.17.0"]
    assert [layer.title for layer in made.layers] == [*(layer.title for layer in without.layers), *titles]
    assert made.layers[: len(without.layers)] == without.layers
    assert isinstance(without.layers[-1], WheelLayer)


def test_a_key_is_of_the_wheels_and_of_who_compiles_them() -> None:
    """Another package of the base changes no wheel's bytecode; another interpreter, wheel, level or image does."""
    _, six = planned(ON, lock(SIX, base=debian()))
    library, same = planned(ON, lock(SIX, base=debian("tree")))
    assert same.key == six.key

    python = replace(debian(), debs=(*DEBIAN.debs, deb("python3.11-minimal", "3.11.2-6+deb12u1")))
    others = [
        planned(ON, lock(SIX, base=python))[1],
        planned(ON, lock(wheel("six", "1.17.0", b"other"), base=debian()))[1],
        planned(replace(ON, env={"PYTHONOPTIMIZE": "1"}), lock(SIX, base=debian()))[1],
        planned(replace(ON, commands=("true",)), lock(SIX, base=debian()))[1],
        planned(ON, lock(SIX, base=IMAGE))[1],
        library,
        planned(ON, lock(SIX, base=debian()))[0],
    ]
    assert len({layer.key for layer in (six, *others)}) == 1 + len(others)


def test_an_image_of_somebody_shares_bytecode_with_itself_alone() -> None:
    """Its Python may write anything, and says of itself what it likes."""

    def six(content: bytes) -> BytecodeLayer:
        return planned(ON, lock(SIX, base=IMAGE), Plan("", (given(content),), ImageConfig(AMD64)))[1]

    assert six(b"one").key == six(b"one").key
    assert six(b"one").key != six(b"other").key
    assert six(b"one").compiling.on == (given(b"one").key,)


def test_python_compares_where_something_runs_later() -> None:
    """Commands and apt may change sources, also those of an image that is based on this one."""
    assert [layer.compiling.checked for layer in planned(ON, lock(SIX))] == [False, False]
    assert all(layer.compiling.checked for layer in planned(replace(ON, commands=("true",)), lock(SIX)))
    assert all(layer.compiling.checked for layer in planned(ON, lock(SIX), changed_above=True))
    tree = replace(ON, apt_packages=("tree",))
    assert all(layer.compiling.checked for layer in planned(tree, lock(SIX, apt=(deb("tree", "1"),))))


def test_a_spec_on_a_spec_compiles_what_it_adds() -> None:
    """The library once; the interpreter is the base's, without what was run on it."""
    parent = plan(replace(ON, commands=("true",)), lock(SIX), default_base(DEBIAN), ())
    assert any(isinstance(layer, Step) for layer in parent.layers)
    child = Lock(digest_of(b"asked"), LockedSpec(lock(SIX)), (IDNA,))

    layers = plan(ON, child, parent, ()).layers

    assert [one.title for one in layers if isinstance(one, BytecodeLayer)] == [
        "bytecode of python 3.11 itself",
        "bytecode of six 1.17.0",
        "bytecode of idna 3.10",
    ]
    assert isinstance(layers[-1], BytecodeLayer)
    assert layers[-1].compiling.on == (parent.layers[0].key,)
    assert layers[-1].compiling.checked


def test_conda_packages_are_compiled_with_their_python() -> None:
    """All of them decide: one of them could be what Python loads. A spec that adds some compiles them anew."""

    def environment(*names: str) -> LockedEnvironment:
        files = [
            (name, InputFile(f"https://example.com/c/{name}.conda", digest_of(name.encode()), 1)) for name in names
        ]
        return LockedEnvironment(
            "/opt/imagewright-conda", tuple(LockedConda(n, "3.11.9", "0", "", f) for n, f in files)
        )

    of = replace(lock(SIX, base=debian()), conda=environment("python"))
    more = replace(of, conda=environment("python", "openssl"))
    parent = plan(ON, of, default_base(debian()), ())
    child = plan(ON, Lock(digest_of(b"asked"), LockedSpec(of), (IDNA,), conda=environment("tree")), parent, ())
    plain = plan(ON, Lock(digest_of(b"asked"), LockedSpec(of), (IDNA,)), parent, ())

    assert planned(ON, of)[0].title == "bytecode of python 3.11 and its conda packages"
    assert len({one.key for one in (*planned(ON, of), *planned(ON, more), *planned(ON, lock(SIX, base=debian())))}) == 6
    assert planned(ON, of)[1].compiling.on == tuple(layer.key for layer in parent.layers[:2])
    libraries = [
        [layer.title for layer in made.layers[len(parent.layers) :] if layer.title.endswith("conda packages")]
        for made in (child, plain)
    ]
    assert libraries == [["bytecode of python 3.11 and its conda packages"], []]


def test_a_file_that_two_wheels_have_is_the_last_ones() -> None:
    """With ``allow_overwrite`` the bytecode above all other is that of the wheel above all others."""
    spec = replace(ON, builder_options={"allow_overwrite": ["idna"]})

    layers = plan(spec, lock(IDNA, SIX), default_base(DEBIAN), ()).layers

    titles = [layer.title for layer in layers]
    assert titles[-5:] == [
        "six 1.17.0",
        "idna 3.10",
        "bytecode of python 3.11 itself",
        "bytecode of six 1.17.0",
        "bytecode of idna 3.10",
    ]


def test_many_wheels_stay_within_the_budget() -> None:
    """Two hundred large wheels have no more layers of bytecode than docker leaves room for."""
    wheels = [wheel(f"package-{number}", "1") for number in range(200)]
    wheels = [replace(one, file=replace(one.file, size=5 << 20)) for one in wheels]

    layers = bytecode_layers(
        lock(*wheels), ImageConfig(AMD64), default_base(DEBIAN).layers, steps=False, allow_bad_record=frozenset()
    )

    assert len(layers) == 1 + MOST_OWN_LAYERS + SHARED_LAYERS
    assert sorted(one for layer in layers for one in layer.wheels) == sorted(wheels)


def test_bytecode_that_nobody_would_look_for_is_refused(golden: Golden, tmp_path: Path) -> None:
    """PYTHONPYCACHEPREFIX names the one folder that Python looks in."""
    spec = replace(ON, env={"PYTHONPYCACHEPREFIX": "/tmp/cache"})

    with pytest.raises(SpecError) as refused:
        check_supported(spec)

    lines = error_lines(refused.value, Terminal(width=110, colour=False, live=False), tmp_path)
    text = [line for line in lines if not line.startswith("  -->") and "^^^" not in line and "env=" not in line[:60]]
    golden("cli/errors/E-bytecode-elsewhere.txt", "\n".join(text) + "\n")


@pytest.mark.parametrize(
    ("value", "level"), [(None, 0), ("", 0), ("0", 0), ("1", 1), ("2", 2), ("3", 2), ("yes", 1), ("-1", 1)]
)
def test_the_level_is_that_of_the_containers_python(value: str | None, level: int) -> None:
    """PYTHONOPTIMIZE as Python reads it."""
    assert optimization(ImageConfig(AMD64, {} if value is None else {"PYTHONOPTIMIZE": value})) == level
