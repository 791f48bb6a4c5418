"""Wheels that want one path for different bytes: refused, until the spec says which may overwrite."""

import ast
import json
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run
from tests.packages.pypi.wheels import parts_of, zipped

pytestmark = pytest.mark.network

APP = """\
import json

from imagewright import ImageSpec, task, workflow

refused = ImageSpec("refused", packages=["./one-1.0-py3-none-any.whl", "./two-1.0-py3-none-any.whl"])
both = ImageSpec("both", packages=refused.packages, builder_options={"allow_overwrite": ["one"]}, compile_bytecode=True)
on_top = ImageSpec("on-top", base_image=both, packages=["./three-1.0-py3-none-any.whl"],
                   builder_options={"allow_overwrite": ["three"]})


def looked() -> str:
    import base64, hashlib, importlib.metadata
    import shared

    changed = {}
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if file.hash:
                digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_binary()).digest()).rstrip(b"=").decode()
                changed.setdefault(distribution.name, []).extend([str(file)] if digest != file.hash.value else [])
    return json.dumps([shared.WHO, changed])


@task(container_image=both)
def below() -> str:
    return looked()


@task(container_image=on_top)
def above() -> str:
    return looked()


@workflow
def main() -> tuple[str, str]:
    return below(), above()
"""


def test_a_spec_says_whose_files_win(imagewright: Run, tmp_path: Path) -> None:
    """The list that the error offers builds; the listed package's files are there, and only the others' RECORD is outdated.

    Bytecode of a file that an image on top overwrites is compared with the file that is there.
    """
    for name in ("one", "two", "three"):
        files = {"shared/__init__.py": f"WHO = {name!r}\n".encode(), f"{name}.py": b""}
        (tmp_path / f"{name}-1.0-py3-none-any.whl").write_bytes(zipped(parts_of(files, name=name)))
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "refused.py").write_text(APP.partition("both = ")[0])

    refused = imagewright("build", "refused.py")
    ran = imagewright("run", "--container", "app.py", "main")

    assert refused.returncode == 3
    assert "error[IW207]: two packages have different files for" in refused.stderr
    assert 'builder_options={"allow_overwrite": ["two"]}' in refused.stderr
    assert ran.returncode == 0, ran.stderr
    lost = ["shared/__init__.py"]
    (who, below), (top, above) = (json.loads(text) for text in ast.literal_eval(ran.stdout))
    assert (who, below) == ("one", {"one": [], "two": lost})
    assert (top, above) == ("three", {"one": lost, "two": lost, "three": []})
