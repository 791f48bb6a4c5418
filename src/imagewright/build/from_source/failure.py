"""How a build from source failed: the last lines, what was missing where it can be recognised, and what helps."""

import re
from collections.abc import Sequence

from imagewright.errors import BuildError, Where
from imagewright.packages.deb.headers import package_of_header
from imagewright.packages.deb.programs import package_of
from imagewright.packages.pypi.source import Source
from imagewright.sandbox.bubblewrap import Ended

_LAST_LINES = 4

_HEADER = (
    re.compile(r"fatal error: (?P<name>[^\s:]+): No such file or directory"),
    re.compile(r"cannot find (?P<name>-l\S+?):? ?(?:No such file|$)"),
    re.compile(r"Package '?(?P<name>[^\s',]+)'?(?:, required by .*)? (?:was )?not found"),
    re.compile(r"(?:Dependency|dependency) \"(?P<name>[^\"]+)\" not found"),
)
_PROGRAM = (
    re.compile(
        r"(?:^|[\s/'\"])(?P<name>pg_config|mysql_config|gdal-config|geos-config|nc-config|xml2-config) .*not found"
    ),
    re.compile(r"\[Errno 2\] No such file or directory: '(?P<name>[\w.+-]+)'"),
    re.compile(r"command '(?P<name>[^'/]+)' failed: No such file"),
    re.compile(r"(?:^|: )(?P<name>[\w.+-]+): (?:command )?not found$"),
    re.compile(r"(?P<name>cargo|rustc|cmake|ninja|gfortran|swig), the .*(?:not installed|not on PATH)", re.IGNORECASE),
    re.compile(r"Unknown compiler\(s\): \[\['(?P<name>[\w.+-]+)'"),
    re.compile(r"(?:can't|cannot|could not|unable to) find (?P<name>Rust|cargo|cmake|ninja) compiler", re.IGNORECASE),
)
_MODULE = re.compile(r"(?:ModuleNotFoundError: No module named|ImportError: No module named) '?(?P<name>[\w.]+)'?")
_SCM = re.compile(
    r"setuptools[-_]scm was unable to detect version|unable to detect version|git executable was not found"
)
_NETWORK = re.compile(
    r"Temporary failure in name resolution|Could not resolve host|Name or service not known|Network is unreachable"
    r"|failed to lookup address|NewConnectionError"
)
_NO_COMPILER = re.compile(
    r"(?:error: command '|unable to execute '|No such file or directory: '|Unknown compiler\(s\): \[\[')"
    r"(?:[\w-]*-)?(?:gcc|g\+\+|cc|c\+\+)\b|linker `cc` not found"
)


def wants_compiler(lines: Sequence[str]) -> bool:
    """Whether a build without a compiler failed for the want of one."""
    return any(_NO_COMPILER.search(line) for line in lines)


def failed(
    title: str, source: Source, name: str, ended: Ended, lines: Sequence[str], where: Where | None, *, timeout: float
) -> BuildError:
    """The error of a backend that ended badly. ``name`` is the package's, "" where it is not known."""
    fix: list[str] = []
    if ended.timed_out:
        how = f"did not end within its time limit of {timeout:g} s"
        fix.append(f'builder_options={{"command_timeout": {2 * timeout:g}}}')
    elif ended.signal is not None:
        how = f"was ended by signal {ended.signal.name} after {ended.seconds:.1f}s"
    else:
        how = f"ended with exit code {ended.exit_code} after {ended.seconds:.1f}s"
    fix += _help(lines, name)
    reason = _reason(lines)
    shown = [line for line in lines if line.strip()][-_LAST_LINES:]
    if reason and reason not in shown:
        shown = [reason, *shown[1:]]
    return BuildError(
        f"{title} cannot be built{f' from {source.words}' if source.words != title else ''}: its build backend {how}",
        code="IW304",
        why=[f"| {line.rstrip()}" for line in shown],
        kept="the files and layers that it was built with",
        fix=fix or ["a version that has a wheel; or ask its documentation what a build needs"],
        where=where,
    )


def _reason(lines: Sequence[str]) -> str:
    """The line that says best what was wrong, when it is not among the last ones."""
    for patterns in (_HEADER, _PROGRAM, (_MODULE, _SCM, _NETWORK)):
        for line in lines:
            if any(pattern.search(line) for pattern in patterns):
                return line
    return ""


def _help(lines: Sequence[str], name: str) -> list[str]:
    if header := _first(lines, _HEADER):
        return _apt(header, package_of_header(header))
    if any(_NETWORK.search(line) for line in lines):
        return ['builds have no network; builder_options={"build_network": True} gives them one']
    if program := _first(lines, _PROGRAM):
        program = program.lower()
        return _apt(program, package_of(program) or package_of_header(program))
    if any(_SCM.search(line) for line in lines):
        pretend = '"SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"'
        return [f'a folder\'s git history is not there; builder_options={{"build_env": {{{pretend}}}}}']
    if module := _first(lines, (_MODULE,)):
        top = module.partition(".")[0]
        wanted = {"pkg_resources": "setuptools<81", "distutils": "setuptools", "Cython": "Cython<3"}.get(top, top)
        option = f'builder_options={{"build_requires": {{"{name or "NAME"}": ["{wanted}"]}}}}'
        return [f"it needs {top} and does not say so: {option}"]
    return []


def _apt(missing: str, package: str) -> list[str]:
    if not package:
        return [f'{missing} is missing: builder_options={{"build_apt_packages": [the Debian package that has it]}}']
    return [
        f'{missing} comes with the Debian package {package}: apt_packages=["{package}"]',
        f'or builder_options={{"build_apt_packages": ["{package}"]}}, when only the build needs it',
    ]


def _first(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> str:
    for line in lines:
        for pattern in patterns:
            if match := pattern.search(line.strip()):
                return match["name"]
    return ""
