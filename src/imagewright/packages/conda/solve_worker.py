"""A process of its own that solves: py-rattler is async, and crashes now and then when an interpreter with it ends.

Run by its path, with a question as JSON on stdin; answers with JSON on stdout. Imports nothing of imagewright.
"""

import asyncio
import difflib
import importlib
import json
import os
import re
import sys
from typing import Any

NEAR = 3
MOST_VERSIONS = 6


async def answer(question: dict[str, Any]) -> dict[str, Any]:
    """``packages`` in the order in which they are installed, or ``error``: "spec", "channel", "network" or "unsolvable"."""
    rattler = importlib.import_module("rattler")
    errors = importlib.import_module("rattler.exceptions")
    try:
        specs = [_parsed(rattler, text) for text in question["specs"]]
        constraints = [_parsed(rattler, text) for text in question["constraints"]]
    except _NotASpec as error:
        return {"error": "spec", "spec": error.args[0], "why": error.args[1]}
    action = "force-cache-only" if question["offline"] else "no-cache" if question["upgrade"] else "cache-or-fetch"
    gateway = rattler.Gateway(
        cache_dir=question["cache"],
        default_config=rattler.SourceConfig(cache_action=action),
        client=rattler.Client.default_client(max_retries=2, timeout=question["timeout"]),
    )
    try:
        channels = [rattler.Channel(name) for name in question["channels"]]
    except Exception as error:
        return {"error": "channel", "why": str(error)}
    platforms = [question["platform"], "noarch"]
    try:
        records = await rattler.solve(
            channels,
            specs,
            gateway=gateway,
            platforms=platforms,
            virtual_packages=[
                rattler.GenericVirtualPackage(
                    rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
                )
                for name, version, build in question["virtual"]
            ],
            constraints=constraints,
            channel_priority=rattler.ChannelPriority.Strict,
            channel_relations="disabled",
        )
    except errors.SolverError as error:
        named = [await _known(gateway, channels, platforms, name) for name in _named(str(error))]
        unknown = [one for one in named if "near" in one]
        there = [one for one in named if "versions" in one]
        return {"error": "unsolvable", "why": str(error), "unknown": unknown, "there": there}
    except errors.GatewayError as error:
        gone = re.search(r"could not find subdir '([^']*)' in channel '([^']*)'", str(error))
        return {"error": "channel" if gone else "network", "why": str(error), "at": gone[2] if gone else ""}
    except errors.InvalidMatchSpecError as error:
        return {"error": "spec", "spec": "", "why": str(error)}
    by_name = {record.name.normalized: record for record in records}
    order = [record.name.normalized for record in rattler.PackageRecord.sort_topologically(records)]
    return {"packages": [_package(by_name[name]) for name in order]}


class _NotASpec(Exception):
    """A text that is no match spec, and why."""


def _parsed(rattler: Any, text: str) -> Any:
    try:
        spec = rattler.MatchSpec(text)
    except Exception as error:
        raise _NotASpec(text, str(error)) from error
    return spec


def _named(said: str) -> list[str]:
    """The names that nothing was found for."""
    missing = re.findall(r"No candidates were found for ([^\s,]+)|([^\s─└├│]+) \S+, for which no candidates", said)
    names = [first or second for first, second in missing]
    return list(dict.fromkeys(name for name in names if not name.startswith("__")))[:NEAR]


async def _known(gateway: Any, channels: list[Any], platforms: list[str], name: str) -> dict[str, Any]:
    """Of a name that the channels have, its newest ``versions``; of another one the ``near`` ones."""
    known = {one.normalized for one in await gateway.names(channels, platforms)}
    if name in known:
        found = await gateway.query(channels, platforms, [name], recursive=False)
        versions = sorted({record.version for records in found for record in records}, reverse=True)
        return {"name": name, "versions": [str(version) for version in versions[:MOST_VERSIONS]]}
    try:
        elsewhere = {one.normalized for one in await gateway.names(channels, ["linux-64", "linux-aarch64"])}
    except Exception:  # a channel without the other platform, which is no matter here
        elsewhere = set()
    near = difflib.get_close_matches(name, sorted(known), n=NEAR, cutoff=0.75)
    return {"name": name, "near": near, "elsewhere": name in elsewhere}


def _package(record: Any) -> dict[str, Any]:
    noarch = record.noarch
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "noarch": "python" if noarch.python else "generic" if noarch.generic else "",
        "url": str(record.url),
        "sha256": record.sha256.hex() if record.sha256 else "",
        "size": record.size,
        "site_packages": record.python_site_packages_path or "",
    }


def main() -> None:
    """Answer one question, and leave without an interpreter's end."""
    said = json.dumps(asyncio.run(answer(json.load(sys.stdin))))
    sys.stdout.write(said)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
