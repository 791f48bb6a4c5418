"""WWW-Authenticate, as registries write it."""

import pytest
from hypothesis import given, strategies

from imagewright.store.registry.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", []),
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Basic", [Challenge("basic", {})]),
        (
            'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example.com/token",
                        "service": "registry",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Bearer Realm="https://a/t" , error="invalid_token", Basic realm="it \\"is\\""',
            [
                Challenge("bearer", {"realm": "https://a/t", "error": "invalid_token"}),
                Challenge("basic", {"realm": 'it "is"'}),
            ],
        ),
        ("bearer realm=plain, service=s", [Challenge("bearer", {"realm": "plain", "service": "s"})]),
        ('Negotiate, Basic realm="x"', [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        ('"', []),
    ],
)
def test_challenges(header: str, challenges: list[Challenge]) -> None:
    """Names are in lower case, quoting is undone, several schemes are kept in order."""
    assert parse_challenges(header) == tuple(challenges)


@given(strategies.text(alphabet='Baser =",\\\t', max_size=60))
def test_whatever_a_registry_says_is_read(header: str) -> None:
    """Garbage gives fewer challenges, never an error."""
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower()
