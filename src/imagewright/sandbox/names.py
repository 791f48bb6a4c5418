"""Names in a layer, before they are paths on this machine."""


class Refused(ValueError):
    """The layer has an entry that a layer must not have."""


def components(name: bytes) -> list[bytes]:
    """The parts of an entry's name below the root; empty for the root itself.

    Raises:
        Refused: One of them cannot be part of a name, or leads upwards.
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    for part in parts:
        if part == b"..":
            raise Refused(f"{shown(name)}: the name leads upwards")
        if b"\0" in part or len(part) > 255:
            raise Refused(f"{shown(name)}: not a file name")
    if len(name) > 4096:
        raise Refused(f"{shown(name)}: the name is too long")
    return parts


def shown(name: bytes) -> str:
    """A name for a message: no control characters, and not endless."""
    text = name.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])
