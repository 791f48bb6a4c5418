"""Images that stand on other images: each kind is built, and a task runs in it and looks around."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.end_to_end.bases import PATH, Bases, Make, bases_from, distribution, file, link
from tests.end_to_end.conftest import Run

from imagewright.oci.digest import Digest, hex_of
from imagewright.store.layout import Layout
from imagewright.testing.registry import PASSWORD, USERNAME, docker_registry, docker_registry_program

pytestmark = pytest.mark.network

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("{name}", {spec})

@task(container_image=image)
def look() -> str:
    import json, os, subprocess, sys
    import six
    import idna
    found = {{"python": sys.version.split()[0], "prefix": sys.prefix, "base": sys.base_prefix, "six": six.__version__,
              "six_at": six.__file__, "idna_at": idna.__file__, "env": dict(os.environ), "user": os.getuid(),
              "cwd": os.getcwd(), "first": subprocess.check_output(["sh", "-c", "command -v python"], text=True).strip()}}
    return json.dumps(found)

@workflow
def main() -> str:
    return look()
"""


@pytest.fixture(scope="session")
def bases(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """Base images in an OCI layout, made from the default base of this test's cache."""
    from tests.end_to_end.conftest import command

    folder = tmp_path_factory.mktemp("bases")
    (folder / "app.py").write_text('from imagewright import ImageSpec\nimage = ImageSpec("plain")\n')
    built = command(cache, folder / "home")("build", "app.py", cwd=folder)
    assert built.returncode == 0, built.stderr
    store = Layout(cache / "store")
    digest = built.stdout.strip().partition("@")[2]
    (image,) = {one.descriptor for one in store.images() if one.descriptor.digest == digest}
    return bases_from(store, image, folder / "layout")


def look(imagewright: Run, folder: Path, spec: str, *, name: str = "child", **environ: str) -> dict[str, object]:
    """What a task sees in a container of the image."""
    (folder / "app.py").write_text(APP.format(name=name, spec=spec))
    ran = imagewright("run", "--container", "app.py", "main", **environ)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


def build(imagewright: Run, folder: Path, spec: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    (folder / "app.py").write_text(f'from imagewright import ImageSpec\nimage = ImageSpec("child", {spec})\n')
    return imagewright("build", "app.py", **environ)


PACKAGES = 'packages=["six==1.16.0", "idna"]'

KINDS: dict[str, tuple[Make, dict[str, object]]] = {
    "debian": (
        lambda bases: bases.make("debian"),
        {"base": "/usr", "user": 0, "cwd": "/"},
    ),
    "usr-local": (
        lambda bases: bases.make("usr-local", bases.without_python(), bases.moved("usr/local"), workdir="/srv"),
        {"base": "/usr/local", "cwd": "/srv"},
    ),
    "conda": (
        lambda bases: bases.make(
            "conda",
            [*bases.without_python(), *bases.moved("opt/conda"), file("opt/conda/conda-meta/python-3.11.2-h0_0.json")],
            env={"PATH": f"/opt/conda/bin:{PATH}", "CONDA": "yes"},
        ),
        {"base": "/opt/conda"},
    ),
    "environment": (
        lambda bases: bases.make(
            "environment",
            [
                file("opt/venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n"),
                link("opt/venv/bin/python", "/usr/bin/python3.11"),
                link("opt/venv/bin/python3", "python"),
                *distribution("opt/venv/lib/python3.11/site-packages", "six", "1.16.0"),
            ],
            env={"PATH": f"/opt/venv/bin:{PATH}"},
            user="1000",
        ),
        {"base": "/usr", "six_at": "/opt/venv/lib/python3.11/site-packages/six.py", "user": 1000},
    ),
    "linked-root": (
        lambda bases: bases.make(
            "linked-root", [file("root/.wh..wh..opq"), file(".wh.root")], [link("root", "home/boss")]
        ),
        {"base": "/usr"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_runs_on_each_kind_of_base(imagewright: Run, bases: Bases, tmp_path: Path, kind: str) -> None:
    """Its Python is used, its packages are seen, ours come first, and what its config says stays."""
    make, expected = KINDS[kind]
    image = make(bases)

    found = look(
        imagewright, tmp_path, f'base_image="oci:{bases.layout.root}:{kind}", {PACKAGES}, env={{"OWN": "a b"}}'
    )

    seen = {"prefix": "/opt/imagewright", "first": "/opt/imagewright/bin/python", "six": "1.16.0", **expected}
    assert {name: found[name] for name in seen} == seen
    environ = found["env"]
    assert isinstance(environ, dict)
    assert environ["OWN"] == "a b"
    for name, value in (
        entry.split("=", 1) for entry in json.loads(image.config)["config"]["Env"] if not entry.startswith("PATH=")
    ):
        assert environ[name] == value


def test_files_go_where_a_linked_root_leads(imagewright: Run, bases: Bases, tmp_path: Path) -> None:
    """What a spec copies and what a run brings lie beside each other, and the link stays a link."""
    bases.make("home", [file(".wh.root")], [link("root", "home/boss"), file("home/boss/theirs")])
    (tmp_path / "data.txt").write_text("ours")
    (tmp_path / "app.py").write_text(
        "import os\nfrom imagewright import ImageSpec, task, workflow\n"
        f'image = ImageSpec("home", base_image="oci:{bases.layout.root}:home", copy=["data.txt"])\n'
        "@task(container_image=image)\ndef look() -> str:\n"
        "    return ' '.join([*sorted(os.listdir('/root')), os.path.realpath('/root')])\n"
        "@workflow\ndef main() -> str:\n    return look()\n"
    )

    ran = imagewright("run", "--container", "app.py", "main")

    assert ran.stdout == "app.py data.txt theirs /home/boss\n", ran.stderr


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_a_base_may_be_an_archive(imagewright: Run, bases: Bases, tmp_path: Path, form: str) -> None:
    """What `image export` and `docker save` write is a base, and other content is another image."""
    (tmp_path / "below.py").write_text(
        'from imagewright import ImageSpec\nimage = ImageSpec("below", env={"A": "b"})\n'
    )
    reference = imagewright("build", "below.py").stdout.strip()
    exported = imagewright("image", "export", reference, "base.tar", "--format", form)
    assert exported.returncode == 0, exported.stderr

    found = look(imagewright, tmp_path, f'base_image="{form}:base.tar", {PACKAGES}')

    assert found["six_at"] == "/opt/imagewright/lib/python3.11/site-packages/six.py"
    assert isinstance(found["env"], dict)
    assert found["env"]["A"] == "b"
    before = imagewright("build", "app.py").stdout
    (tmp_path / "below.py").write_text(
        'from imagewright import ImageSpec\nimage = ImageSpec("below", env={"A": "c"})\n'
    )
    reference = imagewright("build", "below.py").stdout.strip()
    imagewright("image", "export", reference, "base.tar", "--format", form)
    assert imagewright("build", "app.py").stdout != before


def test_a_base_may_be_another_spec(imagewright: Run, tmp_path: Path) -> None:
    """Its packages and environment variables are there, and its versions hold for what comes on top."""
    base = 'ImageSpec("below", packages=["six==1.15.0"], env={"A": "b", "OWN": "x"})'

    found = look(imagewright, tmp_path, f'base_image={base}, packages=["six", "idna"], env={{"OWN": "y"}}')

    assert (found["six"], found["prefix"]) == ("1.15.0", "/opt/imagewright")
    assert isinstance(found["env"], dict)
    assert (found["env"]["A"], found["env"]["OWN"]) == ("b", "y")
    refused = build(imagewright, tmp_path, f'base_image={base}, packages=["six==1.16.0"]')
    assert refused.returncode == 3
    assert "six 1.15.0" in refused.stderr


def test_a_spec_may_stand_on_a_spec_on_an_image(imagewright: Run, tmp_path: Path) -> None:
    """What the lowest image has in its environment holds for all that is on top of it."""
    (tmp_path / "below.py").write_text(
        'from imagewright import ImageSpec\nimage = ImageSpec("b", packages=["six==1.15.0"])\n'
    )
    reference = imagewright("build", "below.py").stdout.strip()
    assert imagewright("image", "export", reference, "base.tar").returncode == 0
    base = 'base_image=ImageSpec("middle", base_image="oci-archive:base.tar", packages=["idna"])'

    found = look(imagewright, tmp_path, f'{base}, packages=["six"]')

    assert found["six"] == "1.15.0"
    refused = build(imagewright, tmp_path, f'{base}, packages=["six==1.16.0"]')
    assert "there already is six 1.15.0" in refused.stderr


def test_a_spec_below_and_its_lock_are_part_of_a_lock_file(imagewright: Run, tmp_path: Path) -> None:
    """The lock file of an image on a spec has both locks, and is read back."""
    spec = 'base_image=ImageSpec("below", packages=["six"]), packages=["idna"]'
    (tmp_path / "app.py").write_text(f'from imagewright import ImageSpec\nimage = ImageSpec("child", {spec})\n')

    locked = imagewright("lock", "app.py")
    built = imagewright("build", "app.py", "--progress", "plain", "--force")

    assert locked.returncode == 0, locked.stderr
    text = (tmp_path / "imagewright.lock" / "child-linux-amd64.pylock.toml").read_text()
    assert 'name = "six"' in text
    assert built.returncode == 0, built.stderr
    assert "lock file 1 package" in built.stderr


def test_of_several_pythons_one_is_chosen(imagewright: Run, bases: Bases, tmp_path: Path) -> None:
    """The first on PATH is taken unless python_exec names another; a version that is not there is named beside those that are."""
    bases.make("several", bases.moved("opt/other"))
    base = f'base_image="oci:{bases.layout.root}:several"'

    first = look(imagewright, tmp_path, f"{base}, {PACKAGES}")
    other = look(imagewright, tmp_path, f'{base}, python_exec="/opt/other/bin/python3", {PACKAGES}')

    assert (first["base"], other["base"]) == ("/usr", "/opt/other")
    refused = build(imagewright, tmp_path, f'{base}, python_version="3.12"')
    assert refused.returncode == 3
    assert "has no Python 3.12" in refused.stderr
    assert "at /usr/bin/python3" in refused.stderr
    assert "at /opt/other/bin/python3" in refused.stderr
    wrong = build(imagewright, tmp_path, f'{base}, python_exec="/nowhere/python"')
    assert "has no Python at /nowhere/python" in wrong.stderr


def test_packages_of_the_base_that_bring_programs_are_installed_again(
    imagewright: Run, bases: Bases, tmp_path: Path
) -> None:
    """A base's program runs the base's Python, which does not see what is on top of it."""
    site = "opt/venv/lib/python3.11/site-packages"
    bases.make(
        "programs",
        [
            file("opt/venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n"),
            link("opt/venv/bin/python3", "/usr/bin/python3.11"),
            *distribution(site, "six", "1.16.0", commands=True),
            *distribution(site, "idna", "3.4"),
        ],
        env={"PATH": f"/opt/venv/bin:{PATH}"},
    )

    found = look(imagewright, tmp_path, f'base_image="oci:{bases.layout.root}:programs", packages=["six", "idna"]')

    assert found["six_at"] == "/opt/imagewright/lib/python3.11/site-packages/six.py"
    assert found["idna_at"] == f"/{site}/idna.py"


def test_an_image_without_python_says_what_to_do(imagewright: Run, bases: Bases, tmp_path: Path) -> None:
    """There is nothing that packages could be installed for."""
    bases.make("none", bases.without_python())

    refused = build(imagewright, tmp_path, f'base_image="oci:{bases.layout.root}:none"')

    assert refused.returncode == 3
    assert "has no Python" in refused.stderr
    assert "leave base_image out" in refused.stderr


def test_the_platform_of_an_index_is_chosen(imagewright: Run, bases: Bases, tmp_path: Path) -> None:
    """Of several platforms the spec's is taken; one that is not there is an error that names those that are."""
    amd64 = bases.make("one")
    bases.index("both", {"linux/arm64": bases.make("other", [file("etc/other")]), "linux/amd64": amd64})
    base = f'base_image="oci:{bases.layout.root}:both"'

    built = build(imagewright, tmp_path, base)
    refused = build(imagewright, tmp_path, f'{base}, platform="linux/s390x"')

    assert built.returncode == 0, built.stderr
    assert refused.returncode == 3
    assert "linux/amd64, linux/arm64" in refused.stderr


@pytest.mark.tool
@pytest.mark.skipif(docker_registry_program() is None, reason="docker-registry is not installed")
@pytest.mark.parametrize("login", [False, True], ids=["anonymous", "login"])
def test_a_base_of_a_registry_is_mounted_and_its_tag_is_locked(
    imagewright: Run, bases: Bases, tmp_path: Path, login: bool
) -> None:
    """Its layers are not sent; the tag's digest holds until --upgrade, which says what it moved from and to."""
    from imagewright.store.copy import copy_image
    from imagewright.store.registry.logins import Login
    from imagewright.store.registry.repository import Repository
    from imagewright.transport import Transport

    class Known:
        def find(self, registry: str, repository: str) -> Login:
            return Login(USERNAME, PASSWORD, source="a test")

    docker = tmp_path / "docker"
    docker.mkdir()
    with docker_registry(tmp_path, login=login) as place, Transport() as transport:
        auth = {"auths": {place: {"username": USERNAME, "password": PASSWORD}}}
        (docker / "config.json").write_text(json.dumps(auth if login else {}))
        environ = {"DOCKER_CONFIG": str(docker)}
        upstream = Repository(place, "upstream/python", transport, Known())

        def publish(tag: str) -> Digest:
            image = bases.make(tag, [file("etc/version", tag.encode())])
            copy_image(bases.layout, upstream, image.descriptor, tag="3.11")
            return image.descriptor.digest

        first = publish("first")
        spec = f'base_image="{place}/upstream/python:3.11", registry="{place}/acme", {PACKAGES}'
        (tmp_path / "app.py").write_text(APP.format(name="child", spec=spec))
        built = imagewright("build", "app.py", "--progress", "plain", **environ)
        assert built.returncode == 0, built.stderr
        assert f"mounted {bases.debian.descriptor.digest}" in built.stderr
        assert f"uploaded {bases.debian.descriptor.digest}" not in built.stderr

        (tmp_path / "other.py").write_text(APP.format(name="other", spec=spec.replace("six==1.16.0", "six==1.17.0")))
        other = imagewright("build", "other.py", "--progress", "plain", **environ)
        assert f"base {place}/upstream/python:3.11 remembered" in other.stderr

        second = publish("second")
        again = imagewright("build", "--force", "app.py", "--progress", "plain", **environ)
        assert again.stdout == built.stdout
        assert " -> " not in again.stderr

        moved = imagewright("build", "--upgrade", "app.py", "--progress", "plain", **environ)
        assert f"/upstream/python:3.11 {hex_of(first)[:12]} -> {hex_of(second)[:12]}" in moved.stderr
        assert moved.stdout != built.stdout
        ran = imagewright("run", "--container", "app.py", "main", **environ)
        assert json.loads(ran.stdout)["base"] == "/usr", ran.stderr
