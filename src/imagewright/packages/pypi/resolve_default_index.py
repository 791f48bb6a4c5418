"""How long uv may believe what its default index said: as long as that index itself says, through any proxy.

uv's default index answers with ``Cache-Control: max-age=600`` for its pages and ``immutable`` for its files. A proxy
that drops these headers makes uv ask for all of it again in every resolve: 24 requests and 0.7 s for four packages,
against none and 0.1 s. See docs/decisions/0032-what-uv-believes.md.
"""

import os
import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from imagewright.oci.digest import canonical_json, digest_of, hex_of
from imagewright.packages.pypi.indexes_uv import uv_config_files
from imagewright.packages.pypi.resolve_uv import Uv

_CONFIGURED = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_NO_CONFIG")
_CONFIG = """[[index]]
url = "{url}"
default = true
cache-control = {{ api = "max-age=600", files = "max-age=365000000, immutable" }}
"""


def default_index_config(uv: Uv, environment: Mapping[str, str], directory: Path) -> Path | None:
    """A configuration file for uv that says so, or None when somebody has configured uv or named another index.

    The address is asked of uv itself, once for each uv that is installed.
    """
    environ = {**uv.environ, **environment}
    if any(environ.get(name) for name in _CONFIGURED):
        return None
    if any(_speaks_of_uv(file) for file in uv_config_files(environ, directory)):
        return None
    program = Path(uv.program())
    try:
        status = program.stat()
        which = canonical_json([str(program), status.st_size, status.st_mtime_ns, _CONFIG])
        config = uv.cache / f"default-index-{hex_of(digest_of(which))[:16]}.toml"
        if not _is_complete(config):
            url = _default_url(program)
            if url is None:
                return None
            _write(config, _CONFIG.format(url=url))
    except OSError:
        return None  # it would only have been faster
    return config


def _is_complete(config: Path) -> bool:
    """Whether the file is there, as it was written."""
    try:
        text = config.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    before, after = _CONFIG.format(url="\0").split("\0")
    return text.startswith(before) and text.endswith(after)


def _default_url(program: Path) -> str | None:
    """The address in uv's own help text: ``--default-index ... (by default: <URL>)``."""
    help_text = subprocess.run(
        [str(program), "pip", "compile", "--help"], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    found = re.search(r"--default-index\b.*?by default:\s+<(https://[^>\s\"]+)>", help_text, flags=re.DOTALL)
    return found[1] if found else None


def _speaks_of_uv(file: Path) -> bool:
    try:
        return file.is_file() and (file.name == "uv.toml" or b"tool.uv" in file.read_bytes())
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
