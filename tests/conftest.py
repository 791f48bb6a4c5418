"""The option --update-golden, the fixture that compares with golden files, and what property tests do not judge: time."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the difference")


def pytest_configure() -> None:
    """Let Ctrl-C be heard by the programs that tests start: a shell starts what runs in the background with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Without this an example that takes over 200 ms fails: any does when the machine does something else for as long.
    settings.register_profile("imagewright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("imagewright")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden("cli/errors/A.txt", text)`` fails when the text differs from the file under tests/golden."""
    update = bool(request.config.getoption("--update-golden"))

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}: run pytest --update-golden and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return compare
