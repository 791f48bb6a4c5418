"""Who a container runs as: a config's ``user`` looked up in the image's own passwd and group."""

from collections.abc import Iterator

from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Ids in the container, and the home directory there. ``groups`` are the supplementary ones."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


class UnknownUser(ValueError):
    """The image has no such user or group."""


def find_user(text: str, passwd: bytes, group: bytes) -> User:
    """The user that ``text`` names: "", a name, a uid, or either with ``:group``.

    A uid that passwd does not have is taken as it is, with group 0; a name must be there.
    Source: OCI image-spec v1.1, config.md, "User", and what Docker does where that is open.

    Raises:
        UnknownUser: There is no such name.
    """
    name, _, group_name = text.partition(":")
    name = name or "0"
    groups = list(_rows(group, 4))
    number = _id(name)
    for row in _rows(passwd, 7):
        uid, gid = _id(row[2]), _id(row[3])
        if uid is None or gid is None or (row[0] != name and uid != number):
            continue
        more = tuple(
            sorted({found for line in groups if row[0] in line[3].split(",") and (found := _id(line[2])) is not None})
        )
        user = User(uid, gid, more, row[5] or "/")
        break
    else:
        if number is None:
            raise UnknownUser(f"the image has no user {name!r} in /etc/passwd")
        user = User(number, 0, (), "/root" if number == 0 else "/")
    if not group_name:
        return user
    return User(user.uid, _gid(group_name, groups), (), user.home)


def _gid(name: str, groups: list[list[str]]) -> int:
    for row in groups:
        gid = _id(row[2])
        if gid is not None and (row[0] == name or row[2] == name):
            return gid
    number = _id(name)
    if number is None:
        raise UnknownUser(f"the image has no group {name!r} in /etc/group")
    return number


def _rows(data: bytes, fields: int) -> Iterator[list[str]]:
    for line in data.decode("utf-8", "replace").splitlines():
        row = line.split(":")
        if len(row) == fields:
            yield row


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) < 1 << 32 else None
