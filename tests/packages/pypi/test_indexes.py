"""Which indexes uv is told of, and in which order of trust."""

from dataclasses import replace

import pytest

from imagewright.packages.pypi.indexes import configure_indexes
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.pylock import Pin
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.request_extra_args import ExtraArgs
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_wheel

A, B, C, D = (f"https://{letter}.example.com/simple" for letter in "abcd")
BEST = "--index-strategy=unsafe-best-match"
TLS = {"SSL_CERT_FILE": "/certs"}


@pytest.fixture
def request_(target: Target) -> Request:
    return Request(("demo",), target)


def test_nothing_named_leaves_uv_its_default(request_: Request) -> None:
    """No address is known to imagewright."""
    indexes = configure_indexes(request_, ExtraArgs(), PipSettings(), TLS)

    assert (indexes.arguments, dict(indexes.environment)) == ((), {})


def test_the_specs_own_indexes(request_: Request) -> None:
    """pip_index replaces the default, extra ones are asked first, with uv's safe strategy."""
    request = replace(request_, index_url=A, extra_index_urls=(B,))

    indexes = configure_indexes(request, ExtraArgs(extra_index_urls=(C,)), PipSettings(index_url=D), TLS)

    assert dict(indexes.environment) == {"UV_DEFAULT_INDEX": A, "UV_INDEX": f"{B} {C}"}
    assert indexes.arguments == ()


def test_pips_own_indexes_keep_pips_meaning(request_: Request) -> None:
    """Where only pip's settings name several indexes, the best version wins."""
    pip = PipSettings(index_url=A, extra_index_urls=(B, C), find_links=("/x,y", "/z"), trusted_hosts=("a.example.com",))

    indexes = configure_indexes(request_, ExtraArgs(find_links=("/own",)), pip, TLS)

    assert dict(indexes.environment) == {
        "UV_DEFAULT_INDEX": A,
        "UV_INDEX": f"{B} {C}",
        "UV_FIND_LINKS": "/own,/x%2Cy,/z",
    }
    assert indexes.arguments == ("--allow-insecure-host=a.example.com", BEST)


def test_an_index_of_the_spec_makes_all_safe(request_: Request) -> None:
    """With an index of the spec's own, no other index can outbid it: pip's are asked after it, before the default."""
    indexes = configure_indexes(
        replace(request_, extra_index_urls=(A,)), ExtraArgs(), PipSettings(extra_index_urls=(B,)), TLS
    )

    assert indexes.environment["UV_INDEX"] == f"{A} {B}"
    assert BEST not in indexes.arguments


def test_uvs_own_variables_beat_pips(request_: Request) -> None:
    """Who has configured uv means it; the spec's extra index still comes first."""
    environ = {**TLS, "UV_DEFAULT_INDEX": A, "UV_INDEX": f"own={B}", "UV_FIND_LINKS": "/uv"}
    pip = PipSettings(index_url=C, extra_index_urls=(C,), find_links=("/pip",))

    plain = configure_indexes(request_, ExtraArgs(), pip, environ)
    with_spec = configure_indexes(replace(request_, extra_index_urls=(D,)), ExtraArgs(), pip, environ)

    assert dict(plain.environment) == {"UV_INDEX": f"own={B}", "UV_FIND_LINKS": "/uv"}
    assert plain.arguments == ()
    assert with_spec.environment["UV_INDEX"] == f"{D} own={B}"


@pytest.mark.parametrize(
    ("extra", "environ"),
    [(ExtraArgs(uv=("--index-strategy", "first-index")), {}), (ExtraArgs(), {"UV_INDEX_STRATEGY": "first-index"})],
)
def test_a_strategy_that_was_chosen_stays(request_: Request, extra: ExtraArgs, environ: dict[str, str]) -> None:
    """The flag is only added where nobody has said anything."""
    indexes = configure_indexes(request_, extra, PipSettings(extra_index_urls=(B,)), {**TLS, **environ})

    assert BEST not in indexes.arguments


def test_other_settings_of_pip(request_: Request) -> None:
    """no-index, pre, constraint, cert and proxy have their counterparts."""
    pip = PipSettings(no_index=True, prereleases=True, constraints=("/c.txt",), certificate="/ca", proxy="http://p:1")

    indexes = configure_indexes(request_, ExtraArgs(), pip, {})

    assert indexes.arguments == ("--no-index", "--prerelease=allow", "--constraints=/c.txt")
    assert dict(indexes.environment) == {
        "SSL_CERT_FILE": "/ca",
        "HTTPS_PROXY": "http://p:1",
        "HTTP_PROXY": "http://p:1",
    }


def test_the_systems_certificates_are_trusted(request_: Request) -> None:
    """uv would bring its own, and a company's authority is not among them."""
    assert configure_indexes(request_, ExtraArgs(), PipSettings(), {}).environment == {
        "UV_SYSTEM_CERTS": "true",
        "UV_NATIVE_TLS": "true",
    }


def test_dependency_confusion_is_not_possible(index: PackageIndex, uv: Uv, pin: Pin, target: Target) -> None:
    """A private package of the spec's own index is not outbid by a higher version on the default index."""
    mine, theirs = make_wheel("internal", "1.0"), make_wheel("internal", "99.0")
    index.add(theirs, make_wheel("public", "1"))
    with PackageIndex([mine]).serve() as private:
        resolution = resolve(Request(("internal", "public"), target, extra_index_urls=(private,)), uv=uv, pin=pin)
        by_pip = resolve(
            Request(("internal", "public"), target), uv=uv, pin=pin, pip=PipSettings(extra_index_urls=(private,))
        )

    assert [wheel.version for wheel in resolution.wheels] == ["1.0", "1"]
    assert [wheel.version for wheel in by_pip.wheels] == ["99.0", "1"]
