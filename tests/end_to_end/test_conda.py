"""``conda_packages``: a Python of conda's with packages of conda's and of the package index in one environment."""

import json
from pathlib import Path

import pytest
from tests.end_to_end.bases import bases_from
from tests.end_to_end.conda_python import MINOR, available, distribution_package, python_package
from tests.end_to_end.conftest import Run

from imagewright.store.layout import Layout
from imagewright.testing.conda import CondaFile, make_package, write_channel

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not available(), reason=f"this machine has no /usr/bin/python{MINOR} with its library"),
]

APP = f"""
from imagewright import ImageSpec, task, workflow

image = ImageSpec(
    "conda",
    conda_packages=["numpy", "tool>=1", "shell"],
    conda_channels=["./channel", "nodefaults"],
    packages=["six==1.17.0"],
    python_version="{MINOR}",
    builder_options={{"conda_post_link": "run"}},
)


@task(container_image=image)
def look() -> str:
    import os, subprocess, sys

    import numpy, six

    tool = subprocess.run(["tool"], capture_output=True, text=True, check=True).stdout.strip()
    shell = subprocess.run(["shell"], capture_output=True, text=True, check=True).stdout.strip()
    made = open("/opt/imagewright-conda/share/made").read().strip()
    return "|".join(
        [sys.prefix, os.environ["CONDA_PREFIX"], numpy.__file__, str(numpy.arange(4).sum()), six.__file__, tool, shell, made]
    )


@workflow
def main() -> str:
    return look()
"""
PREFIX = "/opt/imagewright-conda"
SITE = f"{PREFIX}/lib/python{MINOR}/site-packages"
OLD = "/build/_placeholder_placeholder_placeholder"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool = make_package(
        "tool",
        "1.0",
        {
            "site-packages/tool.py": b"import numpy\n\n\ndef main():\n    print('numpy', numpy.__version__)\n",
            "site-packages/tool-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
        },
        noarch="python",
        subdir="noarch",
        build="py_0",
        depends=["python >=3.9", "numpy"],
        entry_points=["tool = tool:main"],
    )
    script = b'#!/bin/bash\necho "$PKG_NAME $PKG_VERSION in $PREFIX" > "$PREFIX/share/made"\n'
    shell = make_package(
        "shell",
        "2.0",
        {
            "bin/shell": CondaFile(f"#!/bin/sh\ncat {OLD}/share/text\n".encode(), True, OLD),
            "share/text": CondaFile(f"from {OLD}\n".encode(), placeholder=OLD),
            "bin/.shell-post-link.sh": CondaFile(script, executable=True),
        },
        suffix=".tar.bz2",
    )
    packages = [python_package(), distribution_package("numpy"), tool, shell]
    return write_channel(tmp_path_factory.mktemp("conda") / "channel", packages)


@pytest.fixture
def app(tmp_path: Path, channel: Path) -> Path:
    (tmp_path / "channel").symlink_to(channel)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path / "app.py"


@pytest.mark.root
def test_a_task_has_packages_of_conda_and_of_the_index(app: Path, imagewright: Run) -> None:
    """Its Python is conda's, numpy is conda's, six is a wheel beside it, commands and scripts are there."""
    ran = imagewright("run", "--container", str(app), "main")

    assert ran.returncode == 0, ran.stderr
    prefix, conda, numpy, total, six, tool, shell, made = ran.stdout.strip().split("|")
    assert (prefix, conda) == (PREFIX, PREFIX)
    assert numpy == f"{SITE}/numpy/__init__.py"
    assert six == f"{SITE}/six.py"
    assert (total, tool.split()[0]) == ("6", "numpy")
    assert shell == f"from {PREFIX}"
    assert made == f"shell 2.0 in {PREFIX}"


@pytest.mark.root
def test_a_script_that_nobody_decided_about_stops_the_build(app: Path, imagewright: Run) -> None:
    """Also when all layers are known; "skip" builds without a sandbox."""
    assert imagewright("build", str(app)).returncode == 0
    undecided = APP.replace('    builder_options={"conda_post_link": "run"},\n', "")

    app.write_text(undecided)
    refused = imagewright("build", str(app))
    app.write_text(APP.replace('"run"', '"skip"'))
    skipped = imagewright("build", str(app))

    assert refused.returncode == 3
    assert "error[IW210]: a conda package wants to run a script after being installed: shell 2.0" in refused.stderr
    assert "--> app.py:" in refused.stderr
    assert skipped.returncode == 0, skipped.stderr


@pytest.mark.root
def test_a_script_that_fails_says_what_it_said(imagewright: Run, tmp_path: Path) -> None:
    """And what comes before it is kept."""
    script = CondaFile(b"#!/bin/bash\necho almost\nexit 3\n", executable=True)
    write_channel(tmp_path / "channel", [make_package("bad", "1.0", {"bin/.bad-post-link.sh": script})])
    (tmp_path / "app.py").write_text(
        'from imagewright import ImageSpec\nimage = ImageSpec("bad", conda_packages=["bad"],\n'
        '    conda_channels=["./channel", "nodefaults"], builder_options={"conda_post_link": "run"})\n'
    )

    failed = imagewright("build", "app.py")

    assert failed.returncode == 1
    assert "error[IW301]: a script of the conda packages of image 'bad' ended with exit code 3" in failed.stderr
    assert "| bad 1.0: .bad-post-link.sh\n  | almost\n" in failed.stderr


@pytest.mark.root
def test_a_spec_on_a_spec_keeps_its_conda_packages(app: Path, imagewright: Run) -> None:
    """More of them go into the same environment, and wheels fit to what is there; the lock file says all of it."""
    app.write_text(
        APP.replace("image = ImageSpec(", "below = ImageSpec(\n    base_image=None,\n    name=")
        .replace('    name=\n    "conda"', '    name="below"')
        .replace('"numpy", "tool>=1", "shell"', '"numpy"')
        .replace(
            "@task(container_image=image)",
            'image = ImageSpec("conda", base_image=below, conda_packages=["tool", "shell"], packages=["six"],\n'
            '    conda_channels=["./channel"], builder_options={"conda_post_link": "run"})\n\n\n@task(container_image=image)',
        )
    )

    locked = imagewright("lock", str(app))
    ran = imagewright("run", "--container", str(app), "main")

    assert locked.returncode == 0, locked.stderr
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().split("|")[0] == PREFIX


def test_a_wheel_does_not_take_the_place_of_a_file_of_condas(app: Path, imagewright: Run, tmp_path: Path) -> None:
    """Both are named."""
    site = f"lib/python{MINOR}/site-packages"
    clash = make_package("clash", "1.0", {f"{site}/six.py": b"# not six\n"}, depends=[f"python {MINOR}.*"])
    write_channel(tmp_path / "more", [clash])
    spec = APP.replace('"numpy", "tool>=1", "shell"', '"clash"').replace('["./channel", ', '["./more", "./channel", ')
    app.write_text(spec)

    refused = imagewright("build", str(app))

    assert refused.returncode == 3
    assert f"error[IW207]: two packages have different files for {SITE}/six.py" in refused.stderr
    assert "one is in clash-1.0-0.conda" in refused.stderr


OVERWRITING = f"""
from imagewright import ImageSpec, task, workflow

image = ImageSpec(
    "both",
    conda_packages=["clash", "other"],
    conda_channels=["./more", "./channel", "nodefaults"],
    packages=["six==1.17.0"],
    python_version="{MINOR}",
    builder_options={{"allow_overwrite": ["clash", "six"]}},
)


@task(container_image=image)
def look() -> str:
    import six

    return open("/opt/imagewright-conda/share/who").read() + six.__version__


@workflow
def main() -> str:
    return look()
"""


@pytest.mark.root
def test_a_list_says_which_package_may_overwrite(app: Path, imagewright: Run, tmp_path: Path) -> None:
    """One for both kinds: of two conda packages the listed one's file is there, and a wheel's in place of conda's."""
    site = f"lib/python{MINOR}/site-packages"
    files = {f"{site}/six.py": b"__version__ = 'none'\n", "share/who": b"clash "}
    clash = make_package("clash", "1.0", files, depends=[f"python {MINOR}.*"])
    write_channel(tmp_path / "more", [clash, make_package("other", "1.0", {"share/who": b"other "})])
    app.write_text(OVERWRITING)

    ran = imagewright("run", "--container", str(app), "main")
    app.write_text(OVERWRITING.replace('["clash", "six"]', '["six"]'))
    refused = imagewright("build", str(app))

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "clash 1.17.0"
    assert refused.returncode == 3
    assert "error[IW207]: two conda packages have different files for share/who" in refused.stderr
    assert 'builder_options={"allow_overwrite": ["six", "other"]}' in refused.stderr


@pytest.mark.root
def test_a_base_without_python_gets_condas(app: Path, cache: Path, imagewright: Run, tmp_path: Path) -> None:
    """Nobody asked for one by name: it is asked for because the base has none."""
    (tmp_path / "plain.py").write_text('from imagewright import ImageSpec\nimage = ImageSpec("plain")\n')
    built = imagewright("build", "plain.py")
    assert built.returncode == 0, built.stderr
    store = Layout(cache / "store")
    digest = built.stdout.strip().partition("@")[2]
    (image,) = {one.descriptor for one in store.images() if one.descriptor.digest == digest}
    bases = bases_from(store, image, tmp_path / "layout")
    bases.make("none", bases.without_python())
    spec = 'packages=["six==1.17.0"],\n    base_image="oci:layout:none",'
    app.write_text(APP.replace('packages=["six==1.17.0"],', spec).replace('"numpy", "tool>=1", "shell"', '"shell"'))
    app.write_text(
        app.read_text()
        .replace("import numpy, six", "import six")
        .replace("numpy.__file__, str(numpy.arange(4).sum()), ", "")
        .replace('    tool = subprocess.run(["tool"], capture_output=True, text=True, check=True).stdout.strip()\n', "")
        .replace(" tool,", "")
    )

    ran = imagewright("run", "--container", str(app), "main")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().split("|")[:3] == [PREFIX, PREFIX, f"{SITE}/six.py"]


@pytest.mark.root
def test_two_builds_in_two_places_are_one_image_and_the_second_asks_nobody(
    app: Path, channel: Path, imagewright: Run, tmp_path: Path
) -> None:
    """The place of the channel is not in the image; offline builds what is known."""
    first = imagewright("build", str(app))
    other = tmp_path / "deeper" / "place"
    other.mkdir(parents=True)
    (other / "channel").symlink_to(channel)
    (other / "app.py").write_text(APP)
    second = imagewright("build", "--offline", str(other / "app.py"), cwd=other)
    config = imagewright("image", "inspect", first.stdout.strip(), "--output", "json")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert json.loads(config.stdout)
    assert str(channel) not in config.stdout
