"""One fault at every request of a push and of a pull, over a proxy that does it: what is transient is survived."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from imagewright.errors import CredentialsError, ImagewrightError, IntegrityError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.repository import Repository
from imagewright.store.verify import DamagedInTransit
from imagewright.testing.fault_proxy import KINDS, RETRY_AFTER, FaultProxy, Impatient, Kind, VirtualTime
from imagewright.testing.images import make_image
from imagewright.testing.registry import FakeRegistry
from imagewright.transport import Transport
from imagewright.transport.network import Network

LAYERS = ({"b": bytes(range(256)) * 40},)
PUSH_REQUESTS = 9  # a 401, a token; HEAD, POST and PUT for two blobs; PUT for the manifest
PULL_REQUESTS = 6  # a 401, a token, a HEAD; the manifest, a layer, a config
SILENT_SECONDS = 11.0  # the budget of ten, and the end of the try that it runs out in
PATIENT_SECONDS = 3600.0


class Client:
    """A client in virtual time that speaks to a registry through a proxy with a plan."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.time = VirtualTime()
        sender = Impatient(Network(), self.time, lambda: proxy.plan(len(proxy.requests) + 1) == "slow body")
        self.transport = Transport(sleep=self.time.sleep, clock=self.time.clock, chance=lambda: 0.5, sender=sender)

    def plan(self, plan: Callable[[int], Kind | str]) -> None:
        """Count requests anew, and do this."""
        self.proxy.requests.clear()
        self.proxy.plan = plan

    def repository(self, name: str) -> Repository:
        return Repository(self.proxy.place, name, self.transport)


@contextmanager
def client(registry: str, plan: Callable[[int], Kind | str] = lambda number: "") -> Iterator[Client]:
    proxy = FaultProxy(registry, plan)
    with proxy.serve():
        made = Client(proxy)
        with made.transport:
            yield made


def is_whole(registry: str, name: str) -> bool:
    """Whether the image is in the registry under its tag, byte for byte, asked without the proxy."""
    made = make_image(*LAYERS)
    with Transport() as transport:
        repository = Repository(registry, name, transport)
        found = repository.resolve("latest")
        return found == made.image.descriptor and all(
            b"".join(repository.fetch(blob)) == data for blob, data in made.blobs.items()
        )


def push(to: Client, name: str) -> None:
    made, source = make_image(*LAYERS), MemoryStore()
    copy_image(source, to.repository(name), made.push_to(source), tag="latest", jobs=1)


def pull(start: Client, name: str) -> MemoryStore:
    here, repository = MemoryStore(), start.repository(name)
    found = repository.resolve("latest")
    assert found is not None
    copy_image(repository, here, found, tag="latest", jobs=1)
    return here


def fresh() -> str:
    return f"faults/{uuid.uuid4().hex}"


def pushed_image(registry: str) -> str:
    name, made, source = fresh(), make_image(*LAYERS), MemoryStore()
    with Transport() as transport:
        copy_image(source, Repository(registry, name, transport), made.push_to(source), tag="latest")
    return name


def at(number: int, kind: Kind | str) -> Callable[[int], Kind | str]:
    return lambda each: kind if each == number else ""


def from_(first: int, kind: Kind | str) -> Callable[[int], Kind | str]:
    return lambda each: kind if each >= first else ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_survives_one_fault_wherever_it_is(registry_place: str, kind: Kind) -> None:
    """Every request of the push once: the image arrives whole each time."""
    with client(registry_place) as to:
        push(to, fresh())
        count = len(to.proxy.requests)

        for number in range(1, count + 1):
            name = fresh()
            to.plan(at(number, kind))
            push(to, name)
            assert len(to.proxy.requests) >= number
            assert is_whole(registry_place, name), f"{kind} at request {number}"

    assert count == PUSH_REQUESTS


@pytest.mark.parametrize("kind", KINDS)
def test_a_pull_survives_one_fault_wherever_it_is(registry_place: str, kind: Kind) -> None:
    """Every request of the pull once: all bytes are here each time."""
    name, made = pushed_image(registry_place), make_image(*LAYERS)
    with client(registry_place) as start:
        pull(start, name)
        count = len(start.proxy.requests)

        for number in range(1, count + 1):
            start.plan(at(number, kind))
            here = pull(start, name)
            for blob, data in made.blobs.items():
                assert b"".join(here.fetch(blob)) == data, f"{kind} at request {number}"
            assert here.resolve("latest") == made.image.descriptor

    assert count == PULL_REQUESTS


@pytest.mark.parametrize("kind", [*KINDS, "400", "403", "404", "413", "507"])
def test_what_does_not_pass_is_an_error_in_time(kind: Kind | str) -> None:
    """From some request on everything goes wrong: an error of ours, no success that is none, and no end of waiting."""
    with FakeRegistry(separate=True).serve() as place, client(place) as to:
        for first in (1, 3, 5, 8, 9):
            name, begun = fresh(), to.time.now
            to.plan(from_(first, kind))
            with suppress(NetworkError, CredentialsError, IntegrityError):
                push(to, name)
                assert is_whole(place, name), f"{kind} from request {first} on"
            waited = to.time.now - begun

            assert waited <= PATIENT_SECONDS
            if kind in ("reset", "slow body", "lost response", "cut response") and first == 1:
                assert waited <= SILENT_SECONDS


@pytest.mark.parametrize("kind", [*KINDS, "400", "403", "404", "507"])
def test_a_pull_that_does_not_pass_leaves_no_tag(kind: Kind | str) -> None:
    """What has come is what it should be, and no tag points to less than all of it."""
    made = make_image(*LAYERS)
    with FakeRegistry(separate=True).serve() as place, client(place) as start:
        name = pushed_image(place)
        for first in (1, 3, 4, 6):
            here = MemoryStore()
            start.plan(from_(first, kind))
            with suppress(ImagewrightError):
                repository = start.repository(name)
                if (found := repository.resolve("latest")) is not None:
                    copy_image(repository, here, found, tag="latest", jobs=1)

            complete = here.resolve("latest") == made.image.descriptor
            assert complete == all(here.exists(blob) for blob in made.blobs), f"{kind} from request {first} on"


def test_a_registry_that_asks_for_patience_gets_it(registry_place: str) -> None:
    """Retry-After is waited for, and by whoever asks next as well."""
    with client(registry_place, at(4, "429")) as to:
        begun = to.time.now
        push(to, fresh())

        assert to.time.now - begun == RETRY_AFTER


def large(size: int = 5 << 20) -> tuple[Descriptor, bytes]:
    data = bytes(range(256)) * (size // 256)
    return Descriptor("application/octet-stream", digest_of(data), len(data)), data


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_blob_survives_one_fault(registry_place: str, kind: Kind) -> None:
    """While it is sent, and while it is had; what had arrived is used where the registry can do that."""
    blob, data = large()
    name = fresh()
    with client(registry_place, at(5, kind)) as to:
        to.repository(name).push(blob, [data])

        to.plan(at(3, kind))
        repository = to.repository(name)
        if kind == "flipped response":  # its reader asks for it again: see copy_image
            with pytest.raises(DamagedInTransit):
                b"".join(repository.fetch(blob))
        assert b"".join(repository.fetch(blob)) == data
