"""Who an image's user is."""

import pytest

from imagewright.sandbox.users import UnknownUser, User, find_user

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nflyte:x:1000:1001::/home/flyte:/bin/sh\nbroken\n1000:x:7:7::/seven:\n"
GROUP = b"root:x:0:\nstaff:x:50:flyte,other\nusers:x:100:flyte\nbad:x:zz:flyte\n"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (), "/root")),
        ("root", User(0, 0, (), "/root")),
        ("flyte", User(1000, 1001, (50, 100), "/home/flyte")),
        ("1000", User(1000, 1001, (50, 100), "/home/flyte")),
        ("flyte:staff", User(1000, 50, (), "/home/flyte")),
        ("flyte:7", User(1000, 7, (), "/home/flyte")),
        ("4711", User(4711, 0, (), "/")),
        ("4711:4712", User(4711, 4712, (), "/")),
    ],
)
def test_names_and_numbers(text: str, user: User) -> None:
    """Every form of an image config's user means what docker takes it for."""
    assert find_user(text, PASSWD, GROUP) == user


@pytest.mark.parametrize("text", ["nobody", "root:nogroup", "-1", "99999999999"])
def test_a_name_that_is_not_there(text: str) -> None:
    """A name that the image does not have is an error that says it."""
    with pytest.raises(UnknownUser, match="the image has no"):
        find_user(text, PASSWD, GROUP)


def test_an_image_without_accounts() -> None:
    """An image without passwd still has root."""
    assert find_user("", b"", b"") == User(0, 0, (), "/root")
