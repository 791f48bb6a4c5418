"""Secrets given in every way that there is, and then every byte that was made searched for them in every way of writing them.

All canaries have one word in them, which is what is looked for; what stands beside it tells which one was found.
"""

import base64
import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.end_to_end.conftest import command
from tests.sandbox.small_images import busybox_layer, python_layer

from imagewright.layer.read import uncompressed
from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import digest_of
from imagewright.oci.image import assemble
from imagewright.oci.platform import Platform
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.store.layout import Layout
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_wheel

__all__ = ["busybox_layer", "python_layer"]

WORD = "cAn4ry+/%=&Zq7:wKx9"
INDEXES = ("pip_index", "extra_index", "extra_args", "requirements", "pip_conf", "netrc", "uv_password")


NOTHING = dict.fromkeys(
    ("PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX"), ""
) | {"XDG_CONFIG_DIRS": "/nonexistent"}
"""None of this machine's own settings for packages."""


def canary(channel: str) -> str:
    """The secret of a channel."""
    return f"{channel}-{WORD}-{channel}"


def forms() -> dict[str, bytes]:
    """The word plain, quoted, in both hexadecimals, and what base64 makes of it wherever it stands."""
    word = WORD.encode()
    found = {"plain": word, "quoted": quote(WORD, safe="").encode(), "json": json.dumps(WORD)[1:-1].encode()}
    found |= {"hex": word.hex().encode(), "HEX": word.hex().upper().encode(), "reversed": word[::-1]}
    for before in range(3):
        digits = base64.b64encode(bytes(before) + word).rstrip(b"=")
        found[f"base64+{before}"] = digits[(0, 2, 3)[before] : -1]
        found[f"base64url+{before}"] = found[f"base64+{before}"].translate(bytes.maketrans(b"+/", b"-_"))
    return found


def leaks(data: bytes) -> list[bytes]:
    """Where a canary is in the data, with what is beside it."""
    found = [
        data[max(at - 40, 0) : at + len(form) + 20] for form in set(forms().values()) if (at := data.find(form)) >= 0
    ]
    if data[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError):
            found += leaks(gzip.decompress(data))
    return found


def leaks_below(folder: Path, given: set[Path]) -> dict[str, list[bytes]]:
    """The same of all files of a folder, their names and links, but for those that hold the secrets to begin with."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.rglob("*")):
        hits = leaks(os.fsencode(path.name))
        if path.is_symlink():
            hits += leaks(os.fsencode(os.readlink(path)))
        elif path.is_file() and path not in given:
            hits += leaks(path.read_bytes())
        if hits:
            found[str(path)] = hits
    return found


class Watch:
    """Looks at the command lines of all processes, again and again, while its body runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._ended.wait(0.03):
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    try:
                        self.seen.add((folder / "cmdline").read_bytes())
                    except OSError:
                        continue

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, busybox_layer: StoredLayer, python_layer: StoredLayer) -> Path:
    """A layout with an image of busybox and this machine's Python: no network is asked for it."""
    layout = Layout(tmp_path_factory.mktemp("base"))
    layers = []
    for stored in (python_layer, busybox_layer):
        data = b"".join(uncompressed(stored.chunks(), stored.media_type))
        descriptor = Descriptor(media_types.LAYER_TAR, digest_of(data), len(data))
        layout.push(descriptor, [data])
        layers.append(Layer(descriptor, stored.diff_id))
    config = ImageConfig(Platform("linux", "amd64"), {"PATH": "/usr/local/bin:/usr/bin:/bin"}, workdir="/root")
    image = assemble(config, layers, [HistoryEntry("python"), HistoryEntry("busybox")])
    layout.push(image.config_descriptor, [image.config])
    layout.push(image.descriptor, [image.manifest])
    layout.tag(image.descriptor, "base")
    return layout.root


@pytest.fixture
def indexes() -> Iterator[dict[str, PackageIndex]]:
    """An index for each way to give a login: it has a package of that name, and wants a canary."""
    with ExitStack() as stack:
        made = {}
        for name in INDEXES:
            index = PackageIndex(login=("user", canary(name)))
            index.add(make_wheel(f"p-{name.replace('_', '-')}", "1.0"))
            stack.enter_context(index.serve())
            made[name] = index
        yield made


def with_login(index: PackageIndex, name: str) -> str:
    return index.url.replace("http://", f"http://user:{quote(canary(name), safe='')}@")


COMMANDS = [
    "cat /run/secrets/as_file | busybox wc -c",
    'busybox test -n "$as_variable"; echo "it is $as_variable"; echo "or $as_variable" >&2',
    "cat /run/secrets/lines; busybox base64 /run/secrets/from_home",
    "set -x; echo $traced > /dev/null",
    (
        'echo -n "$encoded" | busybox base64; echo -n "user:$encoded" | busybox base64; '
        'echo -n "$encoded" | busybox hexdump -v -e \'/1 "%02x"\'; echo; echo -n "$encoded" | busybox hexdump -v -e \'/1 "%02X"\'; '
        'echo; python3 -c \'import os, urllib.parse as u, json; e = os.environ["encoded"]; print(u.quote(e, safe=str())); '
        "print(u.quote(e)); print(json.dumps(e)); print(repr(e))'"
    ),
    "echo $removed > /root/.npmrc; cp() { busybox cp $@; }; cp /root/.npmrc /tmp/x; rm /root/.npmrc /tmp/x; echo made > /made",
    "env; ls /run/secrets; busybox sleep 0.3",  # so long that its process is seen
]
NAMES = ("as_file", "as_variable", "lines", "from_home", "traced", "encoded", "removed")


@pytest.fixture
def project(tmp_path: Path, base: Path, indexes: dict[str, PackageIndex]) -> Path:
    """A project in which everything that can hold a secret holds one."""
    folder = tmp_path / "project"
    folder.mkdir()
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    auth = base64.b64encode(f"user:{canary('docker_config')}".encode()).decode()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {"registry.example.com": {"auth": auth}}}))
    (home / "from_home").write_text(canary("from_home") + "\n")
    (home / ".netrc").write_text(f"machine other.example.com login user password {canary('home_netrc')}\n")
    (folder / "lines").write_text(f"-----BEGIN-----\n{canary('lines')}\nline {canary('lines2')}\n-----END-----\n")
    (folder / "pip.conf").write_text(f"[global]\nextra-index-url = {with_login(indexes['pip_conf'], 'pip_conf')}\n")
    (folder / "netrc").write_text(f"machine 127.0.0.1 login user password {canary('netrc')}\n")
    (folder / "requirements.txt").write_text(
        f"--extra-index-url {with_login(indexes['requirements'], 'requirements')}\np-requirements==1.0\n"
    )
    packages = [f"p-{name.replace('_', '-')}" for name in INDEXES if name != "requirements"]
    sources = {name: f"env:SECRET_{name}" for name in NAMES} | {"lines": "file:lines", "from_home": "file:~/from_home"}
    (folder / "app.py").write_text(
        f"""
from imagewright import ImageSpec

image = ImageSpec(
    "canary",
    base_image="oci:{base}:base",
    packages={packages!r},
    requirements="requirements.txt",
    pip_index={with_login(indexes["pip_index"], "pip_index")!r},
    pip_extra_index_url=[
        {with_login(indexes["extra_index"], "extra_index")!r},
        {indexes["netrc"].url!r},
        "named={indexes["uv_password"].url}",
    ],
    pip_extra_args="--extra-index-url " + {with_login(indexes["extra_args"], "extra_args")!r},
    pip_secret_mounts=[("pip.conf", "/etc/pip.conf"), ("netrc", "/root/.netrc")],
    secrets={sources!r},
    commands={COMMANDS!r},
)
"""
    )
    return folder


@pytest.fixture
def environ(tmp_path: Path, indexes: dict[str, PackageIndex]) -> dict[str, str]:
    """The environment of the build, with secrets that are for it, and one that is for nobody."""
    return {
        **{f"SECRET_{name}": canary(name) for name in NAMES},
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home/cache"),
        "UV_INDEX_NAMED_USERNAME": "user",
        "UV_INDEX_NAMED_PASSWORD": canary("uv_password"),
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"ghcr.example.com": {"identitytoken": canary("docker_auth")}}}),
        "GITHUB_TOKEN": canary("github"),
        "AWS_SECRET_ACCESS_KEY": canary("aws"),
        **NOTHING,
    }


def given(tmp_path: Path) -> set[Path]:
    """The files that hold secrets before anything is built."""
    below = (tmp_path / "home", tmp_path / "project")
    return {path for folder in below for path in folder.rglob("*") if path.is_file()}


def test_no_byte_that_a_build_makes_has_a_secret_in_it(tmp_path: Path, project: Path, environ: dict[str, str]) -> None:
    """Layers, config, history, manifest, lock file, records, caches, archives, output as text and as JSON, command lines."""
    run = command(tmp_path / "cache", project)
    holding = given(tmp_path)

    with Watch() as watch:
        said = [
            run(*arguments, **environ)
            for arguments in (
                ("build", "app.py", "-v", "--progress", "plain"),
                ("build", "app.py", "--force", "--output", "json", "-v"),
                ("build", "app.py", "--dry-run", "-v"),
                ("lock", "app.py", "-v"),
                ("lock", "app.py", "--show"),
                ("build", "app.py", "-v", "--progress", "plain"),
                ("lock", "app.py", "--upgrade", "-v"),
                ("image", "list", "--output", "json"),
                ("doctor", "-v"),
            )
        ]
    name = said[0].stdout.strip().partition("@")[0]
    said += [
        run(*arguments, **environ)
        for arguments in (
            ("image", "inspect", said[5].stdout.strip(), "--output", "json"),
            ("image", "export", said[5].stdout.strip(), str(tmp_path / "archive.tar")),
            ("shell", said[5].stdout.strip(), "sh", "-c", "env; cat /root/.npmrc /run/secrets/*"),
        )
    ]

    assert [one.returncode for one in said[:6]] == [0] * 6, [one.stderr[-2000:] for one in said]
    assert name == "canary"
    for one in said:
        assert leaks((one.stdout + one.stderr).encode()) == [], one.args
    assert said[0].stderr.count("***") > 12, "what commands print is shown, without the values"
    assert leaks_below(tmp_path, holding) == {}
    assert any(b"bwrap" in line for line in watch.seen)
    assert [line for line in watch.seen if leaks(line)] == []


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"])
def test_a_login_of_the_environment_stays_there(tmp_path: Path, base: Path, variable: str) -> None:
    """In URLs that uv and pip take from variables."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/app.py").write_text(
        "from imagewright import ImageSpec\n\n"
        f"image = ImageSpec('canary', base_image='oci:{base}:base', packages=['demo'])\n"
    )
    run = command(tmp_path / "cache", tmp_path / "project")
    index = PackageIndex(login=("user", canary("variable")))
    index.add(make_wheel("demo", "1.0"))
    with index.serve(), Watch() as watch:
        environ = {**NOTHING, variable: with_login(index, "variable"), "HOME": str(tmp_path)}
        said = [run(*words, **environ) for words in (("lock", "app.py", "-v"), ("build", "app.py", "-v"))]

    assert [one.returncode for one in said] == [0, 0], said[0].stderr
    for one in said:
        assert leaks((one.stdout + one.stderr).encode()) == []
    assert leaks_below(tmp_path, set()) == {}
    assert [line for line in watch.seen if leaks(line)] == []


FAILING = {
    "an exit code": 'echo "$leak"; echo "$leak" >&2; exit 3',
    "a trace": "set -ex; busybox test $leak = x",
    "encoded": 'echo -n "$leak" | busybox base64; echo -n "me:$leak" | busybox base64; exit 4',
    "a missing program": "nosuch-program-$leak",
    "its time": 'echo "$leak"; busybox sleep 1000',
    "a file": 'echo "$leak" > /left',
    "a file in base64": 'echo -n "x$leak" | busybox base64 > /left',
    "a file in hex": 'echo -n "$leak" | busybox hexdump -v -e \'/1 "%02x"\' > /left',
    "a quoted URL": 'leak=$leak python3 -c \'import os, urllib.parse as u; open("/left", "w").write(u.quote(os.environ["leak"], safe=str()))\'',
    "a name": 'touch "/$(echo -n "$leak" | busybox tr / _)"; busybox ln -s "$leak" /left',
    "an attribute": 'leak=$leak python3 -c \'import os; open("/left", "w"); os.setxattr("/left", "user.x", os.environ["leak"].encode())\'',
}


ENDED = ("an exit code", "a trace", "encoded", "a missing program", "its time")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all failures: the base is unpacked in it once."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("how", FAILING)
def test_no_byte_of_a_failure_has_a_secret_in_it(tmp_path: Path, base: Path, shared: Path, how: str) -> None:
    """Neither the error, nor the traceback, nor anything that is left."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/app.py").write_text(
        f"from imagewright import ImageSpec\n\nimage = ImageSpec('canary', base_image='oci:{base}:base', "
        f"secrets={{'leak': 'env:LEAK'}}, builder_options={{'command_timeout': 1}}, commands=[{FAILING[how]!r}])\n"
    )
    before = {path for path in shared.rglob("*") if path.is_file() and path.stat().st_size > 1 << 16}

    with Watch() as watch:
        run = command(shared, tmp_path / "project")
        failed = run("build", "app.py", "-v", "--progress", "plain", LEAK=canary("leak"), HOME=str(tmp_path))

    assert failed.returncode == 1, failed.stderr
    assert f"error[{'IW301' if how in ENDED else 'IW306'}]" in failed.stderr
    assert leaks((failed.stdout + failed.stderr).encode()) == []
    assert leaks_below(tmp_path, set()) == leaks_below(shared, before) == {}
    ours = [line for line in watch.seen if b"imagewright" in line]
    assert ours
    assert [line for line in ours if leaks(line)] == []


def test_the_search_finds_what_it_looks_for() -> None:
    """Each form, alone and in the middle; else the tests above would say nothing."""
    for form in forms().values():
        assert leaks(b"before " + form + b" after")
        assert leaks(gzip.compress(b"x" * 1000 + form))
    for prefix in ("", "a", "ab", "user:"):
        assert leaks(base64.b64encode(f"{prefix}{canary('x')}\n".encode()))
