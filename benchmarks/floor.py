"""The least that has to be done for an image of wheels, whoever does it: every file inflated and hashed once, every byte sent once.

    floor.py HOST:PORT WHEEL...

No strictness, no layers, no manifest: isal and sha256 over what is in the wheels, and the wheels' own bytes put into the registry, on as
many threads as there are processors. Prints the seconds that this took, without the start of Python.
"""

import hashlib
import http.client
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from isal import isal_zlib

from imagewright.parallel import cores

CHUNK = 1 << 18
_LOCAL = 30  # bytes of a local header before its name and extra field


def digest_contents(wheel: Path) -> str:
    """sha256 of what a layer would hold: all files of the wheel, inflated."""
    hasher = hashlib.sha256()
    with wheel.open("rb") as file, zipfile.ZipFile(wheel) as members:
        for member in members.infolist():
            file.seek(member.header_offset + 26)
            sizes = file.read(4)
            file.seek(
                member.header_offset
                + _LOCAL
                + int.from_bytes(sizes[:2], "little")
                + int.from_bytes(sizes[2:], "little")
            )
            left = member.compress_size
            inflater = isal_zlib.decompressobj(-15) if member.compress_type else None
            while left > 0:
                data = file.read(min(CHUNK, left))
                left -= len(data)
                if inflater is None:
                    hasher.update(data)
                    continue
                while data and not inflater.eof:
                    hasher.update(inflater.decompress(data, CHUNK))
                    data = inflater.unconsumed_tail
    return hasher.hexdigest()


def send(registry: str, wheel: Path) -> None:
    """The wheel's bytes as a blob, hashed on the way."""
    connection = http.client.HTTPConnection(registry)
    connection.request("POST", "/v2/floor/wheels/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    hasher = hashlib.sha256()
    place = urlsplit(answer.headers["location"])
    with wheel.open("rb") as file:
        connection.putrequest("PATCH", f"{place.path}?{place.query}")
        connection.putheader("Content-Length", str(wheel.stat().st_size))
        connection.putheader("Content-Type", "application/octet-stream")
        connection.endheaders()
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
            connection.send(chunk)
    answer = connection.getresponse()
    answer.read()
    place = urlsplit(answer.headers["location"])
    connection.request("PUT", f"{place.path}?{place.query}&digest=sha256:{hasher.hexdigest()}")
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise RuntimeError(f"the registry answered {answer.status}")
    connection.close()


def floor(registry: str, wheels: list[Path]) -> float:
    """The seconds that it takes. The two halves of a wheel's work may be done at once."""
    largest_first = sorted(wheels, key=lambda wheel: -wheel.stat().st_size)
    started = time.perf_counter()
    with ThreadPoolExecutor(2 * cores()) as pool:
        waiting = [
            pool.submit(*call)
            for wheel in largest_first
            for call in ((digest_contents, wheel), (send, registry, wheel))
        ]
        for one in waiting:
            one.result()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(floor(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
