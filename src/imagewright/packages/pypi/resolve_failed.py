"""uv found no resolution: build what has no wheel, or say why there is none."""

import re
from collections.abc import Sequence

from imagewright.errors import ImagewrightError
from imagewright.packages.pypi.built import BuiltWheels
from imagewright.packages.pypi.find_sdist import find_sdist
from imagewright.packages.pypi.indexes import Indexes
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve_compile import Asking
from imagewright.packages.pypi.resolve_errors import explain, where_of
from imagewright.packages.pypi.resolve_errors_network import explain_network
from imagewright.packages.pypi.resolve_other_wheels import other_wheels
from imagewright.packages.pypi.resolve_said import read_said
from imagewright.packages.pypi.resolve_uv import Compiled


def built_more(said: str, request: Request, asking: Asking, arguments: Sequence[str], indexes: Indexes) -> bool:
    """Build wheels of what has none for the target, by what uv said; whether there is a new one.

    Wheels are preferred, as by pip's --prefer-binary: this comes after no resolution was found with wheels alone.
    """
    before = len(asking.built)
    facts = read_said(said)
    for term in facts.without_wheel:
        if not asking.built.may(term.name):
            continue
        source = find_sdist(term, facts, request, asking.uv, arguments, indexes.environment)
        if source is not None and not asking.built.has(source.name, source.version):
            asking.built.add(source, where_of(request, term.name))
    return len(asking.built) > before


def _with_forbidden(error: ImagewrightError, built: BuiltWheels) -> ImagewrightError:
    """Say who forbids to build what has no wheel."""
    forbidden_by = built.forbids(error.what.partition(" ")[0])
    if error.code == "IW203" and forbidden_by:
        error.why = (*error.why, f"{forbidden_by} allows wheels only")
        error.fix = (f"without {forbidden_by} it is built", *error.fix)
    return error


def explained(
    compiled: Compiled, request: Request, asking: Asking, indexes: Indexes, arguments: Sequence[str]
) -> ImagewrightError:
    """What uv said, as an error that helps: who forbids to build, and which versions of the base stand in the way, included."""
    plain = [argument for argument in arguments if not argument.startswith(("--extra=", "--all-extras", "--group="))]
    uv = asking.uv
    error = explain_network(compiled.said, request, indexes.logins, uv.environ) or explain(
        compiled.said,
        request,
        other_wheels=lambda requirement: other_wheels(requirement, request, uv, plain, indexes.environment),
    )
    return _with_fixed(_with_forbidden(error, asking.built), compiled.said, asking.fixed)


def _with_fixed(error: ImagewrightError, said: str, fixed: Sequence[tuple[str, str]]) -> ImagewrightError:
    """Say which of the base image's versions stand in the way."""
    named = [f"{name} {version}" for name, version in fixed if re.search(rf"\b{re.escape(name)}\b", said)]
    if error.code == "IW202" and named:
        error.why = (*error.why, f"there already is {', '.join(named[:4])}, in the environment that wheels go into")
        error.fix = (
            *error.fix,
            "or ask for that version where it comes from: the base image's ImageSpec, or conda_packages",
        )
    return error
