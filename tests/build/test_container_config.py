"""What a container starts with: the base's config with what the spec adds."""

from dataclasses import replace

from imagewright.build.container_config import annotations_of, config_of
from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec

AMD64 = Platform("linux", "amd64")
TARGET = Target(AMD64, "3.11", "/usr/bin/python3.11", ("glibc", "2.36"))
BASE = ImageConfig(
    AMD64,
    env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    entrypoint=("/init",),
    command=("serve",),
    workdir="/srv",
    user="app",
    labels={"maintainer": "them", "org.opencontainers.image.version": "1.0"},
)


def test_what_is_not_said_stays_as_the_base_has_it() -> None:
    """But for PATH, where our programs come first, and the label that says which spec it is."""
    spec = ImageSpec()

    made = config_of(spec, TARGET, BASE)

    assert made == replace(
        BASE,
        env={**BASE.env, "PATH": "/opt/imagewright/bin:/usr/bin:/bin"},
        labels={**BASE.labels, "dev.imagewright.spec": spec.digest},
    )


def test_user_workdir_and_labels_replace_the_bases() -> None:
    """Labels of other names stay."""
    made = config_of(ImageSpec(user="0", workdir="/data", labels={"maintainer": "us"}), TARGET, BASE)

    assert (made.user, made.workdir) == ("0", "/data")
    assert made.labels["maintainer"] == "us"
    assert made.labels["org.opencontainers.image.version"] == "1.0"


def test_an_entrypoint_takes_the_bases_command_away() -> None:
    """It was written for the base's entrypoint. None keeps both, [] clears the entrypoint alone."""
    kept = config_of(ImageSpec(), TARGET, BASE)
    cleared = config_of(ImageSpec(entrypoint=[]), TARGET, BASE)
    other = config_of(ImageSpec(entrypoint=["python", "-m", "app"]), TARGET, BASE)

    assert (kept.entrypoint, kept.command) == (("/init",), ("serve",))
    assert (cleared.entrypoint, cleared.command) == ((), ("serve",))
    assert (other.entrypoint, other.command) == (("python", "-m", "app"), ())


def test_values_of_env_are_taken_as_they_are() -> None:
    """Quotes, spaces, new lines and other variables' names mean nothing."""
    odd = {"A": 'it\'s "so"\n$HOME `x` ${B} \\', "B": "", "LANG": "de_DE.UTF-8"}

    made = config_of(ImageSpec(env=odd), TARGET, BASE)

    assert {name: made.env[name] for name in odd} == odd


def test_a_variables_own_name_in_its_value_is_what_it_was() -> None:
    """So a PATH is added to, and not lost. One that is not there is empty, as in a shell; longer names are others."""
    env = {"PATH": "/opt/x:$PATH", "PYTHONPATH": "/root:${PYTHONPATH}", "LANG": "$LANG.$LANGUAGE", "A": "$PATH"}

    made = config_of(ImageSpec(env=env), TARGET, BASE)

    assert made.env["PATH"] == "/opt/x:/opt/imagewright/bin:/usr/bin:/bin"
    assert made.env["PYTHONPATH"] == "/root:"
    assert made.env["LANG"] == "C.UTF-8.$LANGUAGE"
    assert made.env["A"] == "$PATH"


def test_annotations_hold_the_labels_that_the_image_spec_names() -> None:
    """Readers of manifests look there. What a base says of itself is not said of this image, but for its own base."""
    spec = ImageSpec(
        labels={"org.opencontainers.image.source": "https://example.com/app", "team": "ml"},
        annotations={"com.example.run": "7"},
    )
    below = {"org.opencontainers.image.base.name": "debian:12", "org.opencontainers.image.title": "theirs", "x": "y"}

    assert annotations_of(spec, below) == {
        "org.opencontainers.image.source": "https://example.com/app",
        "com.example.run": "7",
        "org.opencontainers.image.base.name": "debian:12",
        "dev.imagewright.spec": spec.digest,
    }
