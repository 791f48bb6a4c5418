"""A registry in this process, in memory, with switches for what registries in use do differently."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from imagewright.testing.fake_registry_contents import IDENTITY_TOKEN, PASSWORD, USERNAME, Contents, Fault
from imagewright.testing.fake_registry_handler import Handler

__all__ = ["IDENTITY_TOKEN", "PASSWORD", "USERNAME", "FakeRegistry", "Fault"]


class FakeRegistry(Contents):
    """A registry in this process. Its switches are those of `Contents`."""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its ``host:port`` while the body runs."""
        registry = self

        class OwnHandler(Handler):
            state = registry

        with _Server(("127.0.0.1", 0), OwnHandler) as server:
            self.place = f"127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self.place
            finally:
                server.shutdown()
                thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in tests."""
