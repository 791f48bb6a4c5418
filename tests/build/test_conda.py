"""Conda packages in a plan: how many layers they are, what stays when one comes, and what a container finds first."""

from dataclasses import replace

from imagewright.build.budget import MOST_OWN_LAYERS, OWN_LAYER_SIZE, SHARED_LAYERS, share_layers
from imagewright.build.conda import conda_layers, post_link_steps, with_conda
from imagewright.build.lock import Lock
from imagewright.layer.planned import InputFile
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.spec import ImageSpec

AMD64 = Platform("linux", "amd64")
PREFIX = "/opt/imagewright-conda"


def package(name: str, size: int, version: str = "1.0") -> LockedConda:
    url = f"https://example.com/c/linux-64/{name}-{version}-h1_7.conda"
    return LockedConda(name, version, "h1_7", "", InputFile(url, digest_of(url.encode()), size))


def locked(*packages: LockedConda) -> Lock:
    base = LockedBase("bookworm", "3.11", AMD64, ())
    return Lock(digest_of(b"asked"), base, (), conda=LockedEnvironment(PREFIX, packages, ("a",)))


def test_many_packages_and_many_wheels_stay_below_a_hundred_layers() -> None:
    """Users build on top, and some engines stop at 124."""
    packages = [package(f"p{number}", OWN_LAYER_SIZE * 2) for number in range(200)]
    wheels = [
        LockedWheel(
            f"w{number}", "1", InputFile(f"https://example.com/w{number}.whl", digest_of(b"w"), OWN_LAYER_SIZE * 2)
        )
        for number in range(200)
    ]

    layers = conda_layers(ImageSpec(), locked(*packages))

    assert len(share_layers(wheels)) == MOST_OWN_LAYERS + SHARED_LAYERS
    assert len(layers) + len(share_layers(wheels)) <= 90


def test_one_package_more_changes_one_layer_and_the_history() -> None:
    """All other keys stay."""
    small = [package(f"p{number}", 1000) for number in range(50)]

    before = {layer.key for layer in conda_layers(ImageSpec(), locked(*small))}
    after = {layer.key for layer in conda_layers(ImageSpec(), locked(*small, package("new", 1000)))}

    assert len(after - before) == 2


def test_scripts_are_one_step_in_the_order_of_the_packages() -> None:
    """Without a network, above the layers of the packages, and only when they are asked for."""
    lock = locked(package("first", 1), package("then", 1))
    spec = ImageSpec(conda_packages=["then"], builder_options={"conda_post_link": "run"})
    config = ImageConfig(AMD64, {"PATH": "/bin"})

    (step,) = post_link_steps(spec, lock, config, [digest_of(b"below")])

    script = step.argv[2]
    assert script.index("run first 1.0 7") < script.index("run then 1.0 7")
    assert (step.network, step.env["PREFIX"], step.below) == (False, PREFIX, (digest_of(b"below"),))
    skipping = replace(spec, builder_options={"conda_post_link": "skip"})
    assert post_link_steps(skipping, lock, config, []) == ()


def test_programs_of_the_environment_come_first() -> None:
    """Once, however many specs add to it."""
    environment = locked(package("a", 1)).conda

    config = with_conda(with_conda(ImageConfig(AMD64, {"PATH": "/usr/bin"}), environment), environment)

    assert config.env == {"PATH": f"{PREFIX}/bin:/usr/bin", "CONDA_PREFIX": PREFIX}
