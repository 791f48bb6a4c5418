from hypothesis import given
from hypothesis import strategies as st

from imagewright.build.budget import MOST_OWN_LAYERS, OWN_LAYER_SIZE, SHARED_LAYERS, share_layers
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.packages.pypi.locked import LockedWheel


def wheel(name: str, size: int) -> LockedWheel:
    """A locked wheel of that many bytes."""
    file = InputFile(f"https://example.com/{name}-1-py3-none-any.whl", digest_of(name.encode()), size)
    return LockedWheel(name, "1", file)


names = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
wheels = st.dictionaries(names, st.integers(1, 3 * OWN_LAYER_SIZE), max_size=120).map(
    lambda sizes: [wheel(name, size) for name, size in sizes.items()]
)


@given(wheels)
def test_every_wheel_is_in_one_layer_and_the_budget_holds(locked: list[LockedWheel]) -> None:
    """No wheel is lost or doubled, however many there are, and there are never more than 48 layers."""
    groups = share_layers(locked)

    assert sorted(one for group in groups for one in group) == sorted(locked)
    assert len(groups) <= MOST_OWN_LAYERS + SHARED_LAYERS
    assert all(groups)


@given(wheels, st.randoms())
def test_the_order_in_which_wheels_come_does_not_matter(locked: list[LockedWheel], random: object) -> None:
    """The same set of wheels gives the same layers in the same order."""
    shuffled = list(locked)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert share_layers(shuffled) == share_layers(locked)


@given(wheels, names, st.integers(1, 3 * OWN_LAYER_SIZE))
def test_one_more_package_changes_few_layers(locked: list[LockedWheel], name: str, size: int) -> None:
    """Adding one package makes at most three layers new, so that the others need not be pushed again."""
    others = [one for one in locked if one.name != name]

    before, after = set(share_layers(others)), set(share_layers([*others, wheel(name, size)]))

    assert len(after - before) <= 3


def test_big_wheels_have_layers_of_their_own() -> None:
    """A wheel from 1 MiB up is shared by every image that has it, whatever else is in them."""
    big, small = wheel("torch", OWN_LAYER_SIZE), [wheel(name, 1000) for name in ("six", "idna", "pytz")]

    assert (big,) in share_layers([big, *small])


@given(wheels, st.data())
def test_named_wheels_lie_on_top_in_their_order(locked: list[LockedWheel], data: st.DataObject) -> None:
    """Each in a layer of its own, whatever its size, and the budget holds; a name that is not there is no layer."""
    last = data.draw(st.permutations([one.name for one in locked]))[:3]

    groups = share_layers(locked, last=[*last, "not-there"])

    assert [one.name for group in groups[len(groups) - len(last) :] for one in group] == last
    assert sorted(one for group in groups for one in group) == sorted(locked)
    assert len(groups) <= MOST_OWN_LAYERS + SHARED_LAYERS
