"""A machine with empty caches, and a registry that has the layers."""

import re
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run, command

from imagewright.testing.engines import missing
from imagewright.testing.registry import docker_registry

pytestmark = [pytest.mark.network, pytest.mark.tool]


def test_a_new_machine_downloads_no_wheel_and_sends_no_layer(imagewright: Run, tmp_path: Path) -> None:
    """The lock and all layers are the registry's; a container of the image then starts from there."""
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    (tmp_path / "app.py").write_text(
        "from imagewright import ImageSpec, task, workflow\n"
        'image = ImageSpec("demo", packages=["six", "idna"], env={"A": "1"})\n\n'
        "@task(container_image=image)\ndef known() -> str:\n    import six\n    return six.__version__\n\n"
        "@workflow\ndef main() -> str:\n    return known()\n"
    )
    with docker_registry(tmp_path) as place:
        first = imagewright("build", "app.py", "--registry", f"{place}/team", "--upgrade")
        (tmp_path / "app.py").write_text((tmp_path / "app.py").read_text().replace('"A": "1"', '"A": "2"'))
        other = command(tmp_path / "empty", tmp_path)
        second = other("build", "app.py", "--registry", f"{place}/team", "--progress", "plain")
        ran = other("run", "--container", "--registry", f"{place}/team", "app.py", "main")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert "shared 2 packages" in second.stderr
    assert not list((tmp_path / "empty" / "files").glob("sha256/*"))
    assert "4 of 4 layers reused" in second.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ran.stdout), ran.stderr
