"""Which sdist serves where no wheel does: asked of the index when nothing could be resolved with wheels alone."""

import tomllib
from collections.abc import Mapping, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from imagewright.oci.digest import parse_digest
from imagewright.packages.pypi.pylock import without_userinfo
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve_said import Said, Term
from imagewright.packages.pypi.resolve_uv import Uv, run_uv
from imagewright.packages.pypi.source import Source

_OF_PROJECTS = ("--extra=", "--all-extras", "--group=")


def find_sdist(
    term: Term, said: Said, request: Request, uv: Uv, arguments: Sequence[str], environment: Mapping[str, str]
) -> Source | None:
    """The newest sdist of ``term`` that what ``said`` asks of the package lets in; None when there is none.

    uv does not look into it: what it needs is known when its wheel is built.
    """
    plain = [argument for argument in arguments if not argument.startswith(_OF_PROJECTS)]
    for requirement in dict.fromkeys((_narrowed(term, said), f"{term.name}{term.specifier}")):
        compiled = run_uv(
            uv,
            (requirement,),
            (),
            request.target,
            directory=request.directory,
            arguments=list(dict.fromkeys([*plain, "--no-deps"])),
            environment=environment,
            sources=True,
        )
        if compiled.status == 0:
            (package,) = tomllib.loads(compiled.text)["packages"]
            sdist = package.get("sdist", {})
            if "url" not in sdist:
                return None
            digest = sdist.get("hashes", {}).get("sha256")
            url = without_userinfo(sdist["url"]).partition("#")[0]
            known = parse_digest(f"sha256:{digest.lower()}") if digest else None
            return Source("sdist", url, known, name=canonicalize_name(package["name"]), version=package["version"])
    return None


def _narrowed(term: Term, said: Said) -> str:
    """The term with all that is asked of its package elsewhere in what uv said."""
    asked = [other for _, other in said.needs] + list(said.required)
    specifiers = {term.specifier, *(other.specifier for other in asked if _same(other, term))}
    try:
        return f"{term.name}{SpecifierSet(','.join(filter(None, specifiers)))}"
    except InvalidSpecifier:
        return f"{term.name}{term.specifier}"


def _same(one: Term, other: Term) -> bool:
    return canonicalize_name(one.name) == canonicalize_name(other.name)
