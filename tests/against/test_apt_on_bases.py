"""``apt_packages`` on somebody else's image leave what that image's apt itself leaves."""

from pathlib import Path

import pytest
from tests.against.test_apt_packages import installed_by_apt, layer_entries, layers_of
from tests.against.test_apt_packages import session as session  # fixtures
from tests.end_to_end.bases import Bases
from tests.end_to_end.conftest import cache as cache
from tests.end_to_end.debs import LocalArchive
from tests.end_to_end.test_apt_on_bases import archive as archive
from tests.end_to_end.test_apt_on_bases import base as base
from tests.end_to_end.test_base_images import bases as bases

from imagewright.build.image import build_image
from imagewright.build.session import Session
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.tool]

PASSWORDS = ("etc/shadow", "etc/shadow-", "etc/passwd-", "etc/group-", "etc/gshadow-")
"""useradd writes the day into them; their bytes are not compared."""


def test_the_layer_has_what_apt_leaves(
    bases: Bases, base: str, archive: LocalArchive, session: Session, tmp_path: Path
) -> None:
    """Scripts, triggers, conffiles, alternatives, a user, and a newer package of the base: the same tree, and dpkg's files."""
    place = f"oci:{bases.layout.root}:apt"
    spec = ImageSpec("tree", base_image=place, apt_packages=["demo"], directory=tmp_path)

    build_image(spec, Platform("linux", "amd64"), spec.reference, session)

    layers = layers_of(spec, session)
    below, ours = layers[:4], layers[4]
    mine = dict(layer_entries(ours))
    theirs = installed_by_apt(below, ["demo"], session, tmp_path)
    assert mine.keys() ^ theirs.keys() == set()
    different = {path: (mine[path], theirs[path]) for path in mine if mine[path] != theirs[path]}
    assert {path: pair for path, pair in different.items() if path not in PASSWORDS} == {}
    assert "etc/alternatives/editor-of-tests" in mine
    assert "etc/services" in mine
