"""Secrets of commands: seen by the command that names them, and nowhere else."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.build.test_steps import Bench, TarLayer, base, steps_of
from tests.conftest import Golden
from tests.sandbox.small_images import busybox_layer

from imagewright.build.pip_secrets import check_pip_secrets, with_pip_secrets
from imagewright.build.redaction import Redactor
from imagewright.build.secrets import check_secrets, named_secrets, read_secrets
from imagewright.build.session import Session
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import BuildError, SpecError
from imagewright.events import StepOutput
from imagewright.layer.read import entries
from imagewright.spec import ImageSpec

__all__ = ["base", "busybox_layer"]

VALUE = "s3cr3t+/tok%en=&x y"
SECRETS = {"TOKEN": "env:MY_TOKEN", "key.pem": "file:key.pem"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "key.pem").write_text("-----BEGIN-----\nfirst-line-of-it\nsecond-line-of-it\n-----END-----\n")
    return Bench(tmp_path / "cache", environ={"MY_TOKEN": VALUE, "HOME": str(tmp_path)})


def spec_of(folder: Path, *commands: str, **fields: object) -> ImageSpec:
    return ImageSpec("demo", commands=list(commands), secrets=SECRETS, directory=folder, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("cat /run/secrets/TOKEN", [("TOKEN", False)]),
        ("echo $TOKEN", [("TOKEN", True)]),
        ("echo ${TOKEN:-none}", [("TOKEN", True)]),
        ("curl --key /run/secrets/key.pem x; echo $TOKEN", [("TOKEN", True), ("key.pem", False)]),
        ("curl --key /run/secrets/key.pem.", [("key.pem", False)]),
        ("echo TOKEN $TOKEN2 /run/secrets/TOKENS", []),
        ("true", []),
    ],
)
def test_a_command_names_what_it_sees(command: str, named: list[tuple[str, bool]]) -> None:
    """The file by its path; the variable by a dollar before its name."""
    found = named_secrets(command, ImageSpec(secrets=SECRETS))

    assert [(one.name, one.variable) for one in found] == named


def test_only_the_command_that_names_a_secret_sees_it(tmp_path: Path, bench: Bench, base: TarLayer) -> None:
    """As a file of root alone in memory that cannot be changed, and as a variable; the one after it sees neither."""
    spec = spec_of(
        tmp_path,
        "busybox stat -c '%a %u %s' /run/secrets/TOKEN; ls /run/secrets; busybox wc -c < /run/secrets/key.pem; "
        '(echo x > /run/secrets/TOKEN) 2>/dev/null || echo refused; busybox test -n "$TOKEN" && echo set',
        "ls /run/secrets 2>&1; busybox env | busybox grep -c TOK; true",
    )

    image = bench.publish(base, *steps_of(spec, base))

    assert bench.said() == [
        "400 0 19",
        "TOKEN",
        "key.pem",
        "65",
        "refused",
        "set",
        "ls: /run/secrets: No such file or directory",
        "0",
    ]
    assert [bench.names(image, layer) for layer in (1, 2)] == [[], []]


def test_values_are_not_in_keys_and_names_are(tmp_path: Path, base: TarLayer) -> None:
    """Another value runs nothing again; where it comes from does not matter; another name does."""
    command = "echo $TOKEN > /dev/null; cat /run/secrets/key.pem > /dev/null"
    one = spec_of(tmp_path, command)
    moved = ImageSpec("demo", commands=[command], secrets={"TOKEN": "file:x", "key.pem": "env:Y"})
    less = ImageSpec("demo", commands=[command], secrets={"TOKEN": "env:MY_TOKEN"})

    keys = [steps_of(spec, base)[0].key for spec in (one, moved, less)]

    assert keys[0] == keys[1] != keys[2]
    assert one.digest == moved.digest != less.digest
    assert ImageSpec("demo", commands=[command]).digest != less.digest


def test_a_secret_that_is_not_there_is_an_error_before_anything_runs(
    tmp_path: Path, bench: Bench, base: TarLayer
) -> None:
    """Even when only the last command wants it; when that one is known, nothing is asked for."""
    spec = spec_of(tmp_path, "echo 1 > /one", 'busybox test -n "$TOKEN"')
    without = Bench(tmp_path / "cache")

    with pytest.raises(BuildError, match="the secret 'TOKEN' of image 'demo' is not there") as absent:
        without.publish(base, *steps_of(spec, base))

    assert (absent.value.code, without.written()) == ("IW305", [])
    assert absent.value.why == ("the environment variable MY_TOKEN is not set",)
    bench.publish(base, *steps_of(spec, base))
    assert without.publish(base, *steps_of(spec, base)).layers
    assert without.written() == []


@pytest.mark.parametrize(
    ("source", "environ", "why"),
    [
        ("env:NOT", {}, "the environment variable NOT is not set"),
        ("env:EMPTY", {"EMPTY": ""}, "fewer than 4 bytes"),
        ("env:SHORT", {"SHORT": "ab \n"}, "fewer than 4 bytes"),
        ("file:none", {}, "No such file"),
        ("file:.", {}, "Is a directory"),
        ("file:~/none", {"HOME": "/nowhere"}, "/nowhere/none"),
        ("file:zero", {}, "NUL"),
    ],
)
def test_why_a_secret_cannot_be_used(tmp_path: Path, source: str, environ: dict[str, str], why: str) -> None:
    """The variable or the file is named."""
    (tmp_path / "zero").write_bytes(b"abc\0def")
    spec = ImageSpec(secrets={"X": source}, directory=tmp_path)

    with pytest.raises(BuildError) as refused:
        read_secrets(named_secrets("echo $X", spec), environ, image="demo")

    assert why in refused.value.why[0]


@pytest.mark.parametrize(
    ("secrets", "command", "said"),
    [
        ({"TOKEN": "env:T"}, "true", "no command names the secret 'TOKEN'"),
        ({"TOKEN": "env:T"}, "echo TOKEN", "no command names the secret 'TOKEN'"),
        ({"a": "env:T"}, "cat /run/secrets/a /run/secrets/b", "names /run/secrets/b, which is no secret"),
    ],
)
def test_names_that_do_not_meet_are_mistakes(secrets: dict[str, str], command: str, said: str) -> None:
    """On either side."""
    with pytest.raises(SpecError, match=said):
        check_secrets(ImageSpec(commands=[command], secrets=secrets))


@pytest.mark.parametrize(
    "secrets",
    [
        {"TOKEN": VALUE},
        {"TOKEN": "env:"},
        {"TOKEN": 5},
        {VALUE: "env:X"},
        [VALUE],
        VALUE,
        {"": "env:X"},
        {"..": "env:X"},
    ],
)
def test_a_value_in_place_of_its_source_is_not_repeated(tmp_path: Path, secrets: object) -> None:
    """Neither the error nor the line that it points at shows it."""
    file = tmp_path / "app.py"
    file.write_text(f"from imagewright import ImageSpec\nImageSpec(secrets={secrets!r})\n")

    with pytest.raises(SpecError) as refused:
        exec(compile(file.read_text(), str(file), "exec"), {})

    assert VALUE not in str(refused.value)
    assert refused.value.where is not None
    assert (refused.value.where.line, refused.value.where.text) == (2, "")


SHOWN: dict[str, Callable[[str], str]] = {
    "plain": lambda value: value,
    "in a word": lambda value: f"<{value}>",
    "quoted": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps({"a": value}),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of a line": lambda value: base64.b64encode(f"{value}\n".encode()).decode(),
    "login": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "login2": lambda value: base64.b64encode(f"me:{value}".encode()).decode(),
    "urlsafe": lambda value: base64.urlsafe_b64encode(f"x{value}".encode()).decode(),
}


@pytest.mark.parametrize("form", SHOWN)
@pytest.mark.parametrize("value", [VALUE, 'qu"o\\te', "abcdefgh", "\u00e4\u00f6\u00fc\u20ac secret"])
def test_what_is_shown_has_no_secret_in_it(form: str, value: str) -> None:
    """Whatever a command does to it that people do, `***` is left of it, and what stands around it stays."""
    line = f"before {SHOWN[form](value)} after"

    shown = Redactor([value.encode()]).redacted(line)

    assert "***" in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    for other in SHOWN.values():
        assert other(value) not in shown


def test_lines_of_a_long_secret_are_not_shown_either() -> None:
    """A key is printed line by line, and base64 breaks what is long."""
    value = b"-----BEGIN-----\n" + b"".join(b"%064d\n" % number for number in range(5, 9)) + b"-----END-----\n"
    hide = Redactor([value]).redacted

    assert all("0005" not in hide(line) for line in value.decode().splitlines())
    wrapped = base64.encodebytes(value).decode().splitlines()
    assert {hide(line) for line in wrapped} == {"***"}
    assert Redactor([]).redacted("nothing to hide") == "nothing to hide"


LEAKS = {
    "a file": "echo $TOKEN > /left",
    "in the middle": "(busybox seq 100000; echo x$TOKEN) > /left",
    "base64": "echo -n me:$TOKEN | busybox base64 > /left",
    "hex": "echo -n $TOKEN | busybox hexdump -v -e '/1 \"%02x\"' > /left",
    "a line of it": "busybox head -n 2 /run/secrets/key.pem > /left",
    "a name": 'touch "/left-$(echo -n $TOKEN | busybox tr -d /)"; touch /$(echo -n $TOKEN | busybox hexdump -v -e \'/1 "%02x"\')',
    "a link": 'busybox ln -s "$TOKEN" /left',
    "a hard-linked file": "echo $TOKEN > /left; busybox ln /left /left2",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_command_that_leaves_a_secret_makes_no_layer(tmp_path: Path, bench: Bench, base: TarLayer, leak: str) -> None:
    """It is an error that names the secret and the place, not the value; nothing of it is kept in the cache."""
    spec = spec_of(tmp_path, f"echo $TOKEN > /dev/null; {LEAKS[leak]}")

    with pytest.raises(BuildError, match=r"leaves the secret '(TOKEN|key.pem)' in the image") as refused:
        bench.publish(base, *steps_of(spec, base))

    assert refused.value.code == "IW306"
    assert VALUE not in str(refused.value)
    assert VALUE.encode().hex() not in str(refused.value)
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            assert VALUE.encode() not in path.read_bytes(), path


def test_what_is_removed_at_the_end_of_a_command_is_in_no_layer(tmp_path: Path, bench: Bench, base: TarLayer) -> None:
    """The usual way with programs that insist on a file."""
    spec = spec_of(tmp_path, "echo $TOKEN > /root/.npmrc; echo done > /made; rm /root/.npmrc")

    image = bench.publish(base, *steps_of(spec, base))

    with entries(bench.store.fetch(image.layers[1]), image.layers[1].media_type) as tar:
        assert [entry.name for entry in tar] == ["made"]


def test_a_failed_command_shows_its_last_lines_without_secrets(tmp_path: Path, bench: Bench, base: TarLayer) -> None:
    """Nor do events, while it runs."""
    spec = spec_of(tmp_path, 'set -x; echo "token $TOKEN"; echo -n "$TOKEN" | busybox base64 >&2; exit 3')

    with pytest.raises(BuildError) as failed:
        bench.publish(base, *steps_of(spec, base))

    text = "\n".join([str(failed.value), *bench.said()])
    assert "token ***" in text
    assert VALUE not in text
    assert base64.b64encode(VALUE.encode()).decode() not in text


def test_no_process_has_a_secret_on_its_command_line(tmp_path: Path, bench: Bench, base: TarLayer) -> None:
    """While the command runs, all processes of the machine are looked at; nor is it in a file that this one could leave."""
    seen: list[bytes] = []

    def look(event: object) -> None:
        if isinstance(event, StepOutput) and event.text == "now":
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    try:
                        seen.append((folder / "cmdline").read_bytes())
                    except OSError:
                        continue
            runner = bench.workshop.steps
            assert runner is not None
            runner.stop()

    bench = Bench(tmp_path / "cache", environ={"MY_TOKEN": VALUE}, also=look)
    spec = spec_of(tmp_path, "cat /run/secrets/key.pem $TOKEN 2>/dev/null; echo now; busybox sleep 1000")

    with pytest.raises(BuildError, match="was stopped"):
        bench.publish(base, *steps_of(spec, base))

    mine = [line for line in seen if b"bwrap" in line]
    assert mine
    assert not any(VALUE.encode() in line or b"first-line-of-it" in line for line in seen)
    assert any(b"sleep" in line for line in seen)


def test_the_texts_of_what_goes_wrong(tmp_path: Path, bench: Bench, base: TarLayer, golden: Golden) -> None:
    """As a person reads them."""
    app = tmp_path / "app.py"
    app.write_text(
        "from imagewright import ImageSpec\n\nimage = ImageSpec(\n"
        '    "demo",\n    secrets={"TOKEN": "env:MY_TOKEN"},\n    commands=["echo $TOKEN > /root/.npmrc"],\n)\n'
    )
    values: dict[str, ImageSpec] = {}
    exec(compile(app.read_text(), str(app), "exec"), values)
    terminal = Terminal(width=110, colour=False, live=False)

    for name, place in (("leaves-a-secret", bench), ("has-no-secret", Bench(tmp_path / "other"))):
        with pytest.raises(BuildError) as failed:
            place.publish(base, *steps_of(values["image"], base))
        golden(f"cli/errors/F-command-{name}.txt", "\n".join(error_lines(failed.value, terminal, tmp_path)) + "\n")


def test_pip_secret_mounts_tell_the_tools_where_files_are(tmp_path: Path) -> None:
    """Each by the place that pip, uv or git would look for it in a build; git gets both of what it is given."""
    for name in ("pip.conf", "login", "uv.toml", "git", "id", "cred", "sys"):
        (tmp_path / name).write_text("x")
    spec = ImageSpec(
        pip_secret_mounts=[
            ("pip.conf", "/root/.config/pip/pip.conf"),
            ("login", "/root/.netrc"),
            ("uv.toml", "/root/.config/uv/uv.toml"),
            ("git", "/root/.gitconfig"),
            ("sys", "/etc/gitconfig"),
            ("id", "/root/.ssh/id_ed25519"),
            ("cred", "/root/.git-credentials"),
        ],
        directory=tmp_path,
    )
    check_pip_secrets(spec)

    environ = with_pip_secrets(spec, Session(tmp_path, {"HOME": "/h", "GIT_CONFIG_COUNT": "1"})).environ

    assert environ == {
        "HOME": "/h",
        "PIP_CONFIG_FILE": f"{tmp_path}/pip.conf",
        "NETRC": f"{tmp_path}/login",
        "UV_CONFIG_FILE": f"{tmp_path}/uv.toml",
        "GIT_CONFIG_GLOBAL": f"{tmp_path}/git",
        "GIT_CONFIG_SYSTEM": f"{tmp_path}/sys",
        "GIT_SSH_COMMAND": f"ssh -i {tmp_path}/id -o IdentitiesOnly=yes",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_1": "credential.helper",
        "GIT_CONFIG_VALUE_1": f"store --file={tmp_path}/cred",
    }


def test_pip_secret_mounts_that_nothing_reads_are_mistakes(tmp_path: Path) -> None:
    """A place that no tool knows, and a file that is not there."""
    with pytest.raises(SpecError, match="nothing that installs packages reads that"):
        check_pip_secrets(ImageSpec(pip_secret_mounts=[("x", "/opt/x.json")]))

    spec = ImageSpec(pip_secret_mounts=[("none", "/etc/pip.conf")], directory=tmp_path)
    with pytest.raises(BuildError, match="pip_secret_mounts") as absent:
        with_pip_secrets(spec, Session(tmp_path))
    assert absent.value.code == "IW305"
    assert spec.digest == ImageSpec().digest


def test_the_environment_of_this_process_is_not_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a session says that the build may see."""
    monkeypatch.setenv("MY_TOKEN", VALUE)
    assert "MY_TOKEN" in os.environ

    with pytest.raises(BuildError):
        read_secrets(named_secrets("echo $TOKEN", spec_of(tmp_path)), {}, image="demo")
