"""``registry_config``: logins in a file of the spec's own, which go before those of the machine."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from imagewright.build.session import Session
from imagewright.errors import LockError, SpecError
from imagewright.spec import ImageSpec

_VARIABLE = "DOCKER_AUTH_CONFIG"
_PARTS = ("auths", "credHelpers")


def with_registry_configs(specs: Iterable[ImageSpec], session: Session) -> Session:
    """The session with the logins that the specs' files have, for all registries that a command speaks to.

    A file is what docker and podman write: ``auths``, ``credHelpers``, ``credsStore``. It is part of no image's identity.

    Raises:
        SpecError: There is no such file, or it is none of logins.
        LockError: IW204, it is envd's file of certificates.
    """
    texts = {spec.directory / spec.registry_config: spec for spec in _all(specs) if spec.registry_config}
    if not texts:
        return session
    machines = session.environ.get(_VARIABLE, "")
    merged = _parsed(machines)
    if machines and not merged:
        return session  # it is damaged, as whoever looks for a login will say
    for path, spec in texts.items():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"registry_config={spec.registry_config!r} cannot be read",
                why=str(error),
                fix=f"put docker's config.json there; paths start at {spec.directory}",
                where=spec.where_of("registry_config"),
            ) from error
        config = _parsed(text)
        if "registries" in config:
            raise LockError(
                f"registry_config={spec.registry_config!r} is envd's file of certificates, which the native builder does not read",
                code="IW204",
                why="a registry's own CA and client certificates are looked for where docker has them",
                fix="/etc/docker/certs.d/HOST:PORT/ca.crt; registry_config takes a file of logins, as docker's config.json",
                where=spec.where_of("registry_config"),
            )
        if not any(isinstance(config.get(part), dict) for part in _PARTS) and not config.get("credsStore"):
            raise SpecError(
                f"registry_config={spec.registry_config!r} has no logins",
                why="it is no JSON object with auths, credHelpers or credsStore",
                fix="take the config.json that `docker login` writes",
                where=spec.where_of("registry_config"),
            )
        merged = _merged(merged, config)
    return replace(session, environ={**session.environ, _VARIABLE: json.dumps(merged)})


def _all(specs: Iterable[ImageSpec]) -> Iterable[ImageSpec]:
    """The specs and those that they are based on; what comes later goes before."""
    for spec in specs:
        if isinstance(spec.base_image, ImageSpec):
            yield from _all([spec.base_image])
        yield spec


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    parts = {part: {**(first.get(part) or {}), **(second.get(part) or {})} for part in _PARTS}
    return {**first, **second, **parts}


def _parsed(text: str) -> dict[str, Any]:
    """The JSON object; an empty one for anything else."""
    try:
        config = json.loads(text)
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}
