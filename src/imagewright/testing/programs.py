"""The smallest program: an executable that needs nothing from the image that it is in."""

import struct

_BASE = 0x400000
_HEADERS = 64 + 56


def printing_program(text: bytes) -> bytes:
    """An ELF executable for x86-64 Linux that writes ``text`` to its standard output and ends well."""
    code = b"".join(
        [
            b"\xb8\x01\x00\x00\x00",  # mov eax, 1     (write)
            b"\xbf\x01\x00\x00\x00",  # mov edi, 1     (stdout)
            b"\x48\x8d\x35\x10\x00\x00\x00",  # lea rsi, [rip+16]: the text, behind the code
            b"\xba" + struct.pack("<I", len(text)),  # mov edx, length
            b"\x0f\x05",  # syscall
            b"\xb8\x3c\x00\x00\x00",  # mov eax, 60    (exit)
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        ]
    )
    size = _HEADERS + len(code) + len(text)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    executable = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return identity + executable + segment + code + text
