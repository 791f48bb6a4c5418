"""Steps of an ordinary user: what is below says whose files are, not the user who ran the step."""

from pathlib import Path

from tests.sandbox.layers import folder, hardlink, layer, member
from tests.sandbox.ordinary import OrdinaryUser

from imagewright.sandbox.difference import Change
from imagewright.sandbox.owners import with_owners

BELOW = layer(
    folder("root", 0o700, owner=1000),
    member("root/file", b"x", mode=0o4755, owner=7),
    hardlink("root/twin", "root/file"),
    folder("./dotted/", owner=5),
)


def test_what_is_changed_belongs_to_whom_it_did() -> None:
    """Owner and mode come from the topmost layer that has the path; a mode that the command changed is the command's."""
    above = layer(member("root/file", b"y", mode=0o600, owner=8))
    changes = [
        Change("dotted", "directory", 0o755, 12345, 12345, below=True, same_mode=True),
        Change("root", "directory", 0o755, 12345, 12345, below=True),
        Change("root/file", "file", 0o700, 12345, 12345, below=True, same_mode=True),
        Change("root/new", "file", 0o640, 12345, 12345),
    ]

    made = {change.path: (change.mode, change.uid, change.gid) for change in with_owners(changes, [BELOW, above])}

    assert made == {
        "dotted": (0o755, 5, 5),
        "root": (0o755, 1000, 1000),
        "root/file": (0o600, 8, 8),
        "root/new": (0o640, 0, 0),
    }


STEP = """
import hashlib, io, pathlib, sys, tarfile
from imagewright.build.step import Origin, Step
from imagewright.build.run_step import StepRunner
from imagewright.oci.digest import DiffID
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.errors import ImagewrightError

def stored(path):
    data = pathlib.Path(path).read_bytes()
    return StoredLayer(DiffID("sha256:" + hashlib.sha256(data).hexdigest()), "application/vnd.oci.image.layer.v1.tar", lambda: [data])

events = []
script, *layers = sys.argv[1:]
step = Step("run", (), ("/bin/sh", "-ec", script), {}, "/", True, Origin("commands", script))
runner = StepRunner(pathlib.Path("cache"), find_bubblewrap(), lambda event: events.append(event))
out = io.BytesIO()
try:
    runner.run("demo", step, [stored(path) for path in layers], None, out)
except ImagewrightError as error:
    print(error.what, *error.fix, sep="\\n")
    sys.exit(error.exit_code)
for entry in tarfile.open(fileobj=io.BytesIO(out.getvalue())):
    print(entry.name, oct(entry.mode), entry.uid, entry.gid)
assert not list(pathlib.Path("cache").glob("rootfs*/step-*"))
"""


def layers_of(user: OrdinaryUser, *layers: object) -> list[str]:
    """The layers' tars in the user's home."""
    from imagewright.layer.read import uncompressed
    from imagewright.sandbox.rootfs import StoredLayer

    paths = []
    for number, one in enumerate(layers):
        assert isinstance(one, StoredLayer)
        path = Path(user.home) / f"layer-{number}.tar"
        path.write_bytes(b"".join(uncompressed(one.chunks(), one.media_type)))
        path.chmod(0o644)
        paths.append(str(path))
    return paths


def test_an_ordinary_user_runs_a_step(ordinary_user: OrdinaryUser, busybox_layer: object) -> None:
    """It is root inside, removes and makes files, and the owners are an image's; what is written to is not setuid any more."""
    layers = layers_of(ordinary_user, busybox_layer, BELOW)

    ran = ordinary_user.run(STEP, "id -u; rm /root/twin; echo new > /root/new; echo more >> /root/file", *layers)

    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.splitlines() == [
        "root 0o700 1000 1000",
        "root/file 0o755 7 7",
        "root/new 0o644 0 0",
        "root/.wh.twin 0o644 0 0",
    ]


def test_other_owners_are_out_of_an_ordinary_user_s_reach(ordinary_user: OrdinaryUser, busybox_layer: object) -> None:
    """The error says that root could do it."""
    layers = layers_of(ordinary_user, busybox_layer)

    ran = ordinary_user.run(STEP, "echo x > /file; busybox chown 33:33 /file", *layers)

    assert ran.returncode == 1, ran.stdout
    assert "ended with exit code 1" in ran.stdout
    assert "run it as root" in ran.stdout
