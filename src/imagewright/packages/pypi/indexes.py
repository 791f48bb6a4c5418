"""Which indexes uv asks: the spec's, then uv's own configuration, then pip's, as uv's flags and variables."""

from collections.abc import Iterable, Mapping
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.packages.pypi.indexes_login import Logins, read_logins
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.indexes_uv import uv_index_urls
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.request_extra_args import ExtraArgs, parse_extra_args
from imagewright.packages.pypi.requirements_file import FileOptions, read_options

_TLS = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")


@dataclass(frozen=True, slots=True)
class Indexes:
    """What a uv process gets. URLs go by ``environment``, because any user of the machine can read ``arguments``."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    logins: Logins
    notes: tuple[str, ...] = ()


def configure_indexes(request: Request, extra: ExtraArgs, pip: PipSettings, environ: Mapping[str, str]) -> Indexes:
    """The flags and variables for uv. A setting of the spec beats uv's own variable, which beats pip's setting.

    What the lines of a requirements file say is the spec's, after its fields.

    An index of the spec comes before the default one and is never outbid by it (uv's ``first-index``). Where only
    pip's own settings name more than one index, they keep pip's meaning: the best version wins wherever it is.
    """
    file = read_options(request.requirements_file, environ) if request.requirements_file else FileOptions()
    spec_extra = (*request.extra_index_urls, *extra.extra_index_urls, *file.extra_index_urls)
    spec_default = request.index_url or extra.index_url or file.index_url
    own_extra = tuple(environ.get("UV_INDEX", "").split())
    uv_extra = bool(own_extra or environ.get("UV_EXTRA_INDEX_URL"))
    pip_extra = () if uv_extra else pip.extra_index_urls
    default = spec_default or (
        None if environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") else pip.index_url
    )

    environment: dict[str, str] = {}
    if default:
        environment["UV_DEFAULT_INDEX"] = default
    indexes = (*spec_extra, *own_extra, *pip_extra)
    if indexes:
        environment["UV_INDEX"] = " ".join(indexes)
    uv_links = tuple(link for link in environ.get("UV_FIND_LINKS", "").split(",") if link)
    links = (*extra.find_links, *(uv_links or pip.find_links))
    if links:
        environment["UV_FIND_LINKS"] = ",".join(link.replace(",", "%2C") for link in dict.fromkeys(links))
    environment |= _transport(pip, environ)

    arguments = [
        f"--allow-insecure-host={host}" for host in (*extra.trusted_hosts, *file.trusted_hosts, *pip.trusted_hosts)
    ]
    if pip.no_index and not spec_default:
        arguments.append("--no-index")
    if (pip.prereleases or file.prereleases) and "--prerelease" not in extra.uv and not environ.get("UV_PRERELEASE"):
        arguments.append("--prerelease=allow")
    arguments += [f"--constraints={file}" for file in pip.constraints]
    if pip_extra and not spec_extra and "--index-strategy" not in extra.uv and not environ.get("UV_INDEX_STRATEGY"):
        arguments.append("--index-strategy=unsafe-best-match")
    folders = (request.directory, *([request.requirements_file.parent] if request.requirements_file else []))
    urls = _urls(default, (*indexes, *file.find_links), links, environ)
    logins = read_logins([*urls, *uv_index_urls(environ, folders)], environ)
    return Indexes(tuple(arguments), environment, logins, pip.notes)


def logins_of(request: Request, pip: PipSettings, environ: Mapping[str, str]) -> Logins:
    """The logins for the indexes that the request's packages may come from: what a download needs."""
    extra = parse_extra_args(request.extra_args, kind=request.kind, where=request.where)
    return configure_indexes(request, extra, pip, environ).logins


def _transport(pip: PipSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """TLS and proxy, where the environment does not say it to uv already."""
    settings: dict[str, str] = {}
    certificate = pip.certificate or environ.get("REQUESTS_CA_BUNDLE")
    if not environ.get("SSL_CERT_FILE"):
        if certificate:
            settings["SSL_CERT_FILE"] = certificate
        elif not any(environ.get(name) for name in _TLS):
            # uv brings root certificates of its own; a company's are in the system's store. Two names: uv renamed it.
            settings |= dict.fromkeys(_TLS, "true")
    if pip.client_certificate and not environ.get("SSL_CLIENT_CERT"):
        settings["SSL_CLIENT_CERT"] = pip.client_certificate
    if pip.proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY"):
            if not (environ.get(name) or environ.get(name.lower())):
                settings[name] = pip.proxy
    return settings


def _urls(default: str | None, indexes: Iterable[str], links: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    uv_own = [environ.get(name, "") for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")]
    return [*([default] if default else []), *indexes, *links, *(url for text in uv_own for url in text.split())]
