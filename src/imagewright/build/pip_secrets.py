"""``pip_secret_mounts``: a file of this machine, and where pip in a Docker build would find it.

Nothing is mounted here, since wheels are downloaded by this process: the place says which tool the file is for, and that
tool is told where the file is. Source: flytekit 1.16, `ImageSpec.pip_secret_mounts` and its default builder.
"""

import os
import re
import shlex
from dataclasses import replace

from imagewright.build.session import Session
from imagewright.errors import BuildError, SpecError
from imagewright.spec import ImageSpec

_KINDS = (
    (re.compile(r"(?:.*/)?pip\.(?:conf|ini)"), "PIP_CONFIG_FILE"),
    (re.compile(r"(?:.*/)?[._]?netrc"), "NETRC"),
    (re.compile(r"(?:.*/)?uv\.toml"), "UV_CONFIG_FILE"),
    (re.compile(r"/etc/gitconfig"), "GIT_CONFIG_SYSTEM"),
    (re.compile(r"(?:.*/)?(?:\.gitconfig|git/config)"), "GIT_CONFIG_GLOBAL"),
    (re.compile(r"(?:.*/)?\.git-credentials"), "GIT_CREDENTIALS"),
    (re.compile(r"(?:.*/)?\.ssh/(?!known_hosts|config).*"), "GIT_SSH_COMMAND"),
    (re.compile(r"(?:.*/)?application_default_credentials\.json"), "GOOGLE_APPLICATION_CREDENTIALS"),
)
_KNOWN = "pip.conf, .netrc, uv.toml, gitconfig, .git-credentials, .ssh/KEY, application_default_credentials.json"


def check_pip_secrets(spec: ImageSpec) -> None:
    """See that each file is for something that reads it here.

    Raises:
        SpecError: One is not.
    """
    for source, place in spec.pip_secret_mounts:
        if _variable(place) is None:
            raise SpecError(
                f"pip_secret_mounts has a file at {place}, and nothing that installs packages reads that",
                fix=[f"what is understood, by its place: {_KNOWN}", "for a command of the image: secrets={...}"],
                where=spec.where_of(source),
            )


def with_pip_secrets(spec: ImageSpec, session: Session) -> Session:
    """The session with the environment in which the tools that resolve and download packages find their files.

    Raises:
        BuildError: IW305, a file is not there.
    """
    if not spec.pip_secret_mounts:
        return session
    changed = dict(session.environ)
    for source, place in spec.pip_secret_mounts:
        path = spec.directory / os.path.expanduser(source)
        try:
            path.open("rb").close()
        except OSError as error:
            raise BuildError(
                f"a file of pip_secret_mounts of image {spec.name!r} is not there",
                code="IW305",
                why=f"{path}: {error.strerror}",
                kept="nothing was begun; what is in the cache is kept",
                fix=f"put it there, or name another: paths start at {spec.directory}",
                where=spec.where_of(source),
            ) from error
        variable = _variable(place)
        if variable == "GIT_CREDENTIALS":
            _add_git_setting(changed, "credential.helper", f"store --file={shlex.quote(str(path))}")
        elif variable == "GIT_SSH_COMMAND":
            changed[variable] = f"ssh -i {shlex.quote(str(path))} -o IdentitiesOnly=yes"
        elif variable is not None:
            changed[variable] = str(path)
    return replace(session, environ=changed)


def _variable(place: str) -> str | None:
    return next((variable for pattern, variable in _KINDS if pattern.fullmatch(place)), None)


def _add_git_setting(environ: dict[str, str], key: str, value: str) -> None:
    """Source: git-config(1), GIT_CONFIG_COUNT."""
    count = int(environ.get("GIT_CONFIG_COUNT") or 0)
    environ.update(
        {f"GIT_CONFIG_KEY_{count}": key, f"GIT_CONFIG_VALUE_{count}": value, "GIT_CONFIG_COUNT": str(count + 1)}
    )
