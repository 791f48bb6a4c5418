"""Packages unpacked without dpkg: what is written, and what is left to dpkg because it would do more."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.debs import LocalArchive, local_archive

from imagewright.errors import BuildError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.packages.deb.for_dpkg import ForDpkg
from imagewright.packages.deb.layout import DPKG_CONF
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.native import unpack_natively
from imagewright.packages.deb.prepared import Prepared
from imagewright.sandbox.stack import Stack

STATUS = (
    "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\nPackage: there\nVersion: 1\n\n"
)


def locked(archive: LocalArchive, name: str) -> LockedDeb:
    """A package of the archive, pinned; its URL is the name of its file."""
    data = (archive.folder / f"pool/{name}_1_amd64.deb").read_bytes()
    return LockedDeb(name, "1", "amd64", InputFile(f"{name}_1_amd64.deb", digest_of(data), len(data)))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[LocalArchive]:
    with local_archive(tmp_path / "archive") as made:
        yield made


@pytest.fixture
def below(tmp_path: Path) -> Path:
    """A layer of a base: dpkg, a link into /usr, a folder that is a group's, a file."""
    root = tmp_path / "below"
    for folder in ("usr/lib", "etc/dpkg/dpkg.cfg.d", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "srv").chmod(0o2775)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/dpkg/dpkg.cfg.d/imagewright").write_text(DPKG_CONF)
    (root / "etc/there").write_text("there")
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "var/lib/dpkg/triggers/File").write_text("/usr/lib/plugins cache-maker\n")
    (root / "var/lib/dpkg/diversions").write_text("/bin/sh\n/bin/sh.distrib\ndash\n")
    return root


def unpacked(archive: LocalArchive, below: Path, *names: str, harmless: bool = False) -> tuple[Prepared, Path]:
    upper = below.parent / "upper"
    upper.mkdir()
    debs = [locked(archive, name) for name in names]
    files = {deb.name: archive.folder / "pool" / deb.file.url for deb in debs}
    return unpack_natively(debs, files, Stack((str(below),)), upper, lambda scripts: harmless, jobs=2), upper


def test_files_lie_where_dpkg_puts_them(archive: LocalArchive, below: Path) -> None:
    """Links of the base are followed, its folders keep their rights, documentation is left out but listed."""
    archive.add(
        "one",
        files={
            "lib/one.so": "library",
            "srv/data": "data",
            "etc/one.conf": "setting",
            "usr/share/doc/one/copyright": "licence",
            "usr/share/doc/one/README": "text",
        },
        scripts={"conffiles": "/etc/one.conf\n", "postinst": "#!/bin/sh\n"},
    )

    prepared, upper = unpacked(archive, below, "one")

    assert (upper / "usr/lib/one.so").read_text() == "library"
    assert not (upper / "lib").exists()
    assert (upper / "srv").stat().st_mode & 0o7777 == 0o2775
    assert sorted(path.name for path in (upper / "usr/share/doc/one").iterdir()) == ["copyright"]
    assert "/usr/share/doc/one/README" in (upper / "var/lib/dpkg/info/one.list").read_text().splitlines()
    assert os.access(upper / "var/lib/dpkg/info/one.postinst", os.X_OK)
    assert "Status: install ok unpacked\nConffiles:\n /etc/one.conf 0" not in prepared.status
    assert "Status: install ok unpacked\nConffiles:\n /etc/one.conf " in prepared.status
    assert (prepared.left, prepared.triggers, prepared.architecture) == ((), (), "amd64")


def test_what_comes_before_the_files_is_dpkgs(archive: LocalArchive, below: Path) -> None:
    """A script, and configuration files that have marks."""
    archive.add("plain", files={"usr/lib/plain": ""})
    archive.add("script", files={"usr/lib/script": ""}, scripts={"preinst": "#!/bin/sh\n"})
    archive.add("marked", scripts={"conffiles": "remove-on-upgrade /etc/none\n"})

    prepared, upper = unpacked(archive, below, "plain", "script", "marked")

    assert [deb.name for deb in prepared.left] == ["script", "marked"]
    assert (upper / "usr/lib/plain").exists()
    assert not (upper / "usr/lib/script").exists()


def test_a_script_that_does_nothing_is_none(archive: LocalArchive, below: Path) -> None:
    """Most only do something when an older version is replaced."""
    archive.add("script", files={"usr/lib/script": ""}, scripts={"preinst": "#!/bin/sh\n"})

    prepared, upper = unpacked(archive, below, "script", harmless=True)

    assert prepared.left == ()
    assert (upper / "usr/lib/script").exists()
    assert (upper / "var/lib/dpkg/info/script.preinst").exists()


@pytest.mark.parametrize(
    ("scripts", "before"),
    [({"templates": "Template: a\n"}, "dpkg"), ({"preinst": "#!/bin/sh\n"}, "plain (>= 1)")],
)
def test_apt_does_all_where_there_is_an_order(
    archive: LocalArchive, below: Path, scripts: dict[str, str], before: str
) -> None:
    """Questions, and packages that have to be configured before another is unpacked."""
    archive.add("plain")
    archive.add("special", scripts=scripts, Pre_Depends=before)

    with pytest.raises(ForDpkg, match=r"before|after"):
        unpacked(archive, below, "plain", "special")


def test_paths_that_others_wait_for_are_told(archive: LocalArchive, below: Path) -> None:
    """An installed package's trigger on a folder."""
    archive.add("plugin", files={"usr/lib/plugins/one": ""})

    assert unpacked(archive, below, "plugin")[0].triggers == (("/usr/lib/plugins", "plugin"),)


@pytest.mark.parametrize(
    ("files", "scripts", "said"),
    [
        ({"etc/there": ""}, {}, "which is there"),
        ({"bin/sh.distrib": ""}, {}, "which is diverted"),
        ({"usr/lib": ""}, {}, "which is there"),
        ({"etc/there/below": ""}, {}, "is a file below"),
        ({"nowhere": ""}, {"conffiles": "/etc/none\n"}, "configuration files that it does not have"),
        ({"nowhere": ""}, {"triggers": "interest-noawait /usr/lib\n"}, "waits for files of others"),
        ({"usr/.wh.x": ""}, {}, ".wh.x"),
    ],
)
def test_what_dpkg_would_do_otherwise_is_dpkgs(
    archive: LocalArchive, below: Path, files: dict[str, str], scripts: dict[str, str], said: str
) -> None:
    """Files that are there, diversions, triggers on files."""
    (below / "bin").mkdir()
    archive.add("odd", files=files, scripts=scripts)

    with pytest.raises(ForDpkg, match=said):
        unpacked(archive, below, "odd")


def test_packages_that_share_a_path_are_dpkgs(archive: LocalArchive, below: Path) -> None:
    """Who may replace whom is dpkg's to say."""
    archive.add("one", files={"usr/lib/shared": "1"})
    archive.add("two", files={"usr/lib/shared": "2"})

    with pytest.raises(ForDpkg, match="which is there"):
        unpacked(archive, below, "one", "two")


def test_a_package_that_is_there_is_dpkgs(archive: LocalArchive, below: Path) -> None:
    """An older one has scripts and files of its own."""
    archive.add("there")

    with pytest.raises(ForDpkg, match="known to dpkg"):
        unpacked(archive, below, "there")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("var/lib/dpkg/statoverride", "root root 4755 /usr/bin/x\n"),
        ("etc/dpkg/dpkg.cfg.d/imagewright", "path-exclude=/usr/*\n"),
        ("etc/dpkg/dpkg.cfg", "force-confnew\n"),
    ],
)
def test_an_image_with_other_settings_is_dpkgs(archive: LocalArchive, below: Path, path: str, text: str) -> None:
    """Overrides, other filters, options of dpkg."""
    (below / path).write_text(text)
    archive.add("plain")

    with pytest.raises(ForDpkg):
        unpacked(archive, below, "plain")


def test_a_package_that_is_another_is_refused(archive: LocalArchive, below: Path) -> None:
    """As for the base: its control file has to say what the lock says."""
    archive.add("other")
    pool = archive.folder / "pool"
    (pool / "other_1_amd64.deb").rename(pool / "plain_1_amd64.deb")

    with pytest.raises(BuildError) as refused:
        unpacked(archive, below, "plain")
    assert refused.value.code == "IW303"
