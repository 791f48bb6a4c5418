"""What is said when a request fails."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from imagewright.errors import NetworkError, redacted
from imagewright.transport.sender import Response, Unanswered, host_of, is_loopback, place_of


class AnswerError(NetworkError):
    """The other side answered with a status that the caller has no use for: ``response`` has it."""

    code = "IW503"

    def __init__(self, what: str, response: Response, *, why: Iterable[str] = ()) -> None:
        super().__init__(what, why=tuple(why))
        self.response = response


class BrokeOff(NetworkError):
    """An answer ended before its end. The rest may be asked for."""

    code = "IW502"


def no_answer(url: str, error: Unanswered, tries: int, seconds: float) -> NetworkError:
    """The error after the last try that got no answer."""
    place = place_of(url)
    if error.kind == "refused":
        return NetworkError(f"nothing answers at {place} (connection refused)", code="IW501", why=_proxy(url))
    if error.kind == "no such host":
        return NetworkError(
            f"there is no host {host_of(url)}",
            code="IW502",
            why=(str(error), *_proxy(url)),
            fix="look at the spelling of the host, or at this machine's network",
        )
    if error.kind == "untrusted":
        return NetworkError(
            f"the certificate of {place} is not trusted: {error}",
            code="IW502",
            why=_proxy(url),
            fix="SSL_CERT_FILE=/path/to/your-ca.pem, a file with your organisation's certificate",
        )
    count = "1 try" if tries == 1 else f"{tries} tries"
    what = f"{place} did not answer: {count} in {seconds:.0f}s, last: {error}"
    return NetworkError(what, code="IW502", why=_proxy(url))


def refused(method: str, response: Response) -> AnswerError:
    """The error for an answer that its asker has no use for."""
    from http import HTTPStatus  # only here: it is slow to import

    try:
        phrase = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = str(response.status)
    said = response.body[:300].decode(errors="replace").strip()
    why = [f"{method} {redacted(response.url)}", *([f"it said: {redacted(said)}"] if said else [])]
    return AnswerError(f"{place_of(response.url)} answered {phrase}", response, why=why)


def _proxy(url: str) -> tuple[str, ...]:
    """A line that names the proxy on the way to ``url``, if there is one."""
    from urllib.request import getproxies, proxy_bypass  # only here: it is slow to import

    scheme, host = urlsplit(url).scheme, host_of(url)
    proxy = getproxies().get(scheme) or getproxies().get("all")
    if not proxy or is_loopback(host) or proxy_bypass(host):
        return ()
    name = f"{scheme.upper()}_PROXY"
    return (f"via proxy {redacted(proxy)} ({name}); add the host to NO_PROXY if it should be reached directly",)
