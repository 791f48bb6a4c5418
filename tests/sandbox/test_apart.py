"""Steps of ordinary users in namespaces: what comes out is what root would have made, or an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sandbox.layers import folder, layer_of_tar, member, tar_of
from tests.sandbox.ordinary import OrdinaryUser
from tests.sandbox.test_owners import STEP, layers_of

from imagewright.sandbox.rootfs import StoredLayer

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")

SCRIPT = """
busybox chown 33:44 /data/file
busybox touch /data/su
busybox cp -a /data/theirs /data/copied
echo x > /data/new; busybox chown 1000:1000 /data/new; busybox chmod 6755 /data/new
busybox mkdir /data/box; busybox chown 5:60 /data/box; busybox chmod 3770 /data/box
busybox mv /data/ping /data/ping2
rm /data/gone
"""


def below() -> StoredLayer:
    """A layer with files of others, a setuid program, and one with a capability and a mark of its owner."""
    ping, content = member("data/ping", b"ping", mode=0o755)
    ping.pax_headers = {
        "SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.mark": "mine",
    }
    return layer_of_tar(
        tar_of(
            [
                folder("data"),
                member("data/file", b"x"),
                member("data/su", b"su", mode=0o4755),
                member("data/theirs", b"y", mode=0o600, owner=1000),
                member("data/gone", b"z"),
                (ping, content),
            ]
        )
    )


SHOW = STEP.replace(
    "print(entry.name, oct(entry.mode), entry.uid, entry.gid)",
    "print(entry.name, oct(entry.mode), entry.uid, entry.gid, entry.pax_headers)",
)


@pytest.mark.root
def test_with_lent_ids_the_layer_is_root_s(lent_user: OrdinaryUser, busybox_layer: StoredLayer, tmp_path: Path) -> None:
    """Owners, setuid and setgid bits, capabilities and attributes of what is changed, copied, renamed and new."""
    layers = layers_of(lent_user, busybox_layer, below())
    digest = STEP + "\nimport gzip; print(hashlib.sha256(gzip.decompress(out.getvalue())).hexdigest())"

    mine = lent_user.run(digest, SCRIPT, *layers)
    roots = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path[:] = sys.argv.pop(1).split(':')\n" + digest,
         ":".join(sys.path), SCRIPT, *layers],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert mine.returncode == 0, mine.stdout
    assert mine.stdout.splitlines()[:-1] == [
        "data 0o755 0 0",
        "data/box 0o3770 5 60",
        "data/copied 0o600 1000 1000",
        "data/file 0o644 33 44",
        "data/.wh.gone 0o644 0 0",
        "data/new 0o6755 1000 1000",
        "data/.wh.ping 0o644 0 0",
        "data/ping2 0o755 0 0",
    ]
    assert mine.stdout == roots.stdout, roots.stderr


@pytest.mark.root
def test_capabilities_of_a_layer_below_are_kept(lent_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """Of a program that a step has renamed; as an image has them, without a user of this machine in them."""
    layers = layers_of(lent_user, busybox_layer, below())

    ran = lent_user.run(SHOW, "busybox mv /data/ping /data/ping2", *layers)

    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("data/ping2"))
    assert repr(CAPABILITY.decode("utf-8", "surrogateescape"))[1:-1] in line
    assert "'SCHILY.xattr.user.mark': 'mine'" in line


def test_without_lent_ids_capabilities_are_kept_too(ordinary_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """One user is enough for what is root's: setuid bits, capabilities and attributes."""
    layers = layers_of(ordinary_user, busybox_layer, below())

    ran = ordinary_user.run(SHOW, "busybox mv /data/ping /data/p; busybox cp -a /data/su /data/su2", *layers)

    lines = ran.stdout.splitlines()
    assert "data/su2 0o4755 0 0 {}" in lines
    (line,) = (line for line in lines if line.startswith("data/p "))
    assert "security.capability" in line
    assert "user.mark" in line


def test_a_process_that_is_killed_leaves_nothing_behind(
    ordinary_user: OrdinaryUser, busybox_layer: StoredLayer
) -> None:
    """Stopped from another thread, the command and what it started end, and its folder is removed."""
    layers = layers_of(ordinary_user, busybox_layer)
    script = STEP.replace("events.append(event)", "type(event).__name__ == 'StepOutput' and runner.stop()")
    assert script != STEP

    ran = ordinary_user.run(script, "echo began; busybox sleep 1000", *layers)

    assert ran.returncode != 0
    assert not list((ordinary_user.home / "cache").glob("rootfs*/step-*"))


NOTES = STEP + "print([event.text for event in events if type(event).__name__ == 'Noted'])"


def test_one_user_is_said_to_be_one(ordinary_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """A copy of another user's file is root's, which no error could tell; so it is said before."""
    ran = ordinary_user.run(NOTES, "true", *layers_of(ordinary_user, busybox_layer))

    assert "no ids are lent to this user" in ran.stdout


@pytest.mark.root
def test_lent_ids_are_nothing_to_talk_about(lent_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """All is as root has it."""
    assert lent_user.run(NOTES, "true", *layers_of(lent_user, busybox_layer)).stdout == "[]\n"


def test_root_of_the_host_needs_no_namespace() -> None:
    """The work is done in this very process."""
    if os.geteuid() != 0:
        pytest.skip("only root does without")
    from imagewright.sandbox.apart import do_apart
    from imagewright.sandbox.process import Stop

    assert do_apart(lambda place, layers: (os.getpid(), place.several, place.name), stop=Stop()) == (
        os.getpid(),
        True,
        "",
    )
