"""`imagewright image check`: can this image be pulled, by this machine or by a stranger?"""

import click

from imagewright.build.destination import MachineLogins, readable_repository
from imagewright.cli.app import App
from imagewright.cli.compared import wanted_platform
from imagewright.cli.options import insecure_option, platform_option, talk_options
from imagewright.cli.references import reference_of
from imagewright.cli.session import session_of
from imagewright.errors import CredentialsError, ImagewrightError
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.store.registry.existence import CannotTell, NotThere, There, existence
from imagewright.store.registry.logins import Anonymous
from imagewright.transport import is_loopback

NO = 1
"""The exit code when the registry says no. When it does not say, it is that of the error: 4 or 5."""


@click.command()
@click.argument("reference")
@click.option("--anonymous", is_flag=True, help="Ask without any login, as a cluster without an imagePullSecret does.")
@platform_option
@insecure_option
@talk_options
@click.pass_obj
def check(app: App, reference: str, anonymous: bool, platform: str | None) -> int:
    """Say whether an image can be pulled: every part of it is asked for, and nothing is fetched but its manifests.

    The exit code is 0 for yes, 1 for no, and 4 or 5 when the registry does not say, which is never taken for either.
    """
    wanted, one = reference_of(reference), wanted_platform(platform)
    session = session_of(app)
    credentials = Anonymous("nowhere, for --anonymous asks as a stranger") if anonymous else MachineLogins(app.environ)
    found = existence(readable_repository(wanted, session, credentials), wanted.digest or wanted.tag, one)
    match found:
        case CannotTell():
            raise _for_strangers(wanted, found.error) if anonymous else found.error
        case NotThere():
            document = {"platforms": [str(each) for each in found.platforms], "missing": list(found.missing)}
            app.console.answer(
                f"no   {wanted}  {_reason(found, one)}",
                {"reference": str(wanted), "exists": False, "reason": found.reason, **document},
            )
            return NO
        case There():
            pinned, platforms = wanted.with_digest(found.manifest.digest), [str(each) for each in found.platforms]
            app.console.answer(
                f"yes  {pinned.pinned}  {', '.join(platforms)}",
                {"reference": pinned.pinned, "exists": True, "platforms": platforms},
            )
            if is_loopback(wanted.registry.rpartition(":")[0] or wanted.registry):
                app.console.say(
                    "On another machine, a cluster's node for one, that registry's name means the machine itself."
                )
            return 0


def _reason(found: NotThere, platform: Platform | None) -> str:
    match found.reason:
        case "no such image":
            return "the registry has no such image"
        case "no such platform":
            return f"it is for {', '.join(map(str, found.platforms))}, not for {platform}"
        case "incomplete":
            return f"the registry has lost {len(found.missing)} of its parts: {found.missing[0]}"


def _for_strangers(reference: Reference, error: ImagewrightError) -> ImagewrightError:
    """Of a login that is wanted, what that means for a cluster."""
    if not isinstance(error, CredentialsError):
        return error
    return CredentialsError(
        f"{reference.registry} does not let a stranger pull {reference.repository}, or has no such repository",
        code=error.code,
        why=[line for line in error.why if not line.startswith("looked in")]
        or "registries do not tell strangers which of the two",
        fix=[
            f"make {reference.repository} public at {reference.registry}, or give the cluster a login:",
            f"  kubectl create secret docker-registry pull --docker-server={reference.registry} --docker-username=...",
        ],
    )
