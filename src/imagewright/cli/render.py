"""The only module that prints: results to stdout, all else to stderr."""

import json
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, TextIO

from imagewright.cli import event_text
from imagewright.cli.errors_text import annotation, error_json, error_lines
from imagewright.cli.settings import Output, Progress
from imagewright.cli.terminal import Terminal, clean, size_text, terminal_of
from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, TaskError
from imagewright.events import (
    BaseReady,
    BlobPushed,
    BuildStarted,
    Event,
    FileDownloaded,
    ImageFound,
    ImagePublished,
    LayerReady,
    LockChanged,
    Noted,
    PlatformBegun,
    Resolved,
    StepOutput,
    TaskEnded,
    TaskOutput,
    TaskStarted,
    WheelBuilt,
)


@dataclass
class _Block:
    """An image's lines. Only the first block is printed as it grows; the others wait, so that lines never mix."""

    architecture: str = ""
    lines: list[str] = field(default_factory=list)
    known: list[LayerReady] = field(default_factory=list)
    layers: set[str] = field(default_factory=set)
    uploaded: set[str] = field(default_factory=set)
    ended: bool = False


class Console:
    """Text for one run of the program. Called from any thread.

    Its ``listen`` is the Listener that the floors below get.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        environ: Mapping[str, str],
        *,
        progress: Progress = "auto",
        output: Output = "text",
        verbose: bool = False,
        directory: Path | None = None,
    ) -> None:
        self._out = out
        self._err = err
        self._environ = environ
        self._progress = progress
        self._output = output
        self._verbose = verbose
        self._directory = directory or Path.cwd()
        self._lock = threading.RLock()
        self._blocks: dict[str, _Block] = {}
        self._noted: set[str] = set()
        self._count = 0
        self._files = 0
        self._file_bytes = 0
        self._drawn = False
        self._widths = event_text.Widths()
        self.terminal: Terminal = terminal_of(environ, is_tty=err.isatty())

    # Results ---------------------------------------------------------------------------------------------------

    def answer(self, text: str, document: Any) -> None:
        """The result of the command: ``text`` on stdout, or with ``--output json`` the document. Once a run."""
        with self._lock:
            self._clear()
            shown = json.dumps(document, ensure_ascii=False) if self._output == "json" else text
            if shown:
                print(shown, file=self._out, flush=True)

    def say(self, text: str) -> None:
        """A line of talk, unless it should be quiet."""
        if self._progress != "quiet":
            with self._lock:
                self._print(text)

    def error(self, error: ImagewrightError, cause: BaseException | None = None) -> None:
        """An error, in whole with ``-v``; with ``--output json`` as the object on stdout as well.

        ``cause`` is the exception whose traceback ``-v`` shows; the error itself when it is None.
        """
        with self._lock:
            self.close()
            if isinstance(error, TaskError) and error.traceback:
                for line in clean(error.traceback.rstrip()).split("\n"):
                    self._print("  " + self.terminal.styled("|", "dim") + " " + line)
            if self._verbose:
                self._print("".join(traceback.format_exception(cause or error)).rstrip())
            for line in error_lines(error, self.terminal, self._directory, all_facts=self._verbose):
                self._print(line)
            if self._environ.get("GITHUB_ACTIONS") == "true":
                self._print(annotation(error, self._directory))
            if self._output == "json":
                print(json.dumps(error_json(error, self._directory), ensure_ascii=False), file=self._out, flush=True)

    # Events ----------------------------------------------------------------------------------------------------

    def listen(self, event: Event) -> None:
        """Show an event, as far as it should be shown."""
        if self._progress == "quiet":
            return
        with self._lock:
            if self._progress == "plain":
                self._plain(event)
            else:
                self._auto(event)

    def close(self) -> None:
        """Print what waits, and take the live line away. The console can be used on."""
        with self._lock:
            for block in self._blocks.values():
                block.ended = True
            self._drain()
            self._clear()

    @contextmanager
    def closing(self) -> Iterator["Console"]:
        """Close at the end."""
        try:
            yield self
        finally:
            self.close()

    def _plain(self, event: Event) -> None:
        name = getattr(event, "name", "")
        if isinstance(event, (BuildStarted, ImageFound)):
            self._blocks[name] = _Block("" if "," in event.platform else event.platform.rpartition("/")[2])
        if isinstance(event, PlatformBegun):
            self._blocks[name] = _Block(event.platform.rpartition("/")[2])
        line = event_text.plain(event, self._directory)
        if isinstance(event, Noted) and self._said(line):
            return
        self._count += 1
        architecture = self._blocks[name].architecture if name in self._blocks else ""
        mark = f"[{name}/{architecture}] " if architecture else f"[{name}] " if name else ""
        self._print(f"{mark}#{self._count} {line}")

    def _auto(self, event: Event) -> None:
        match event:
            case ImageFound():
                self._blocks[event.name] = _Block()
                self._add(event.name, event_text.found(event, self.terminal))
                self._end(event.name)
            case BuildStarted():
                self._blocks[event.name] = _Block()
                self._add(event.name, event_text.header(event, self.terminal, self._directory))
                self._draw("  resolves its requirements")
            case Resolved():
                self._add(event.name, event_text.resolved(event, self.terminal))
                self._draw("  writes its layers")
            case PlatformBegun():
                self._known(event.name)
                self._add(event.name, event_text.platform_begun(event, self.terminal))
            case LockChanged():
                self._add(event.name, *event_text.lock_changed(event, self.terminal, whole=self._verbose))
            case BaseReady():
                self._add(event.name, event_text.base_ready(event, self.terminal))
            case WheelBuilt():
                self._add(event.name, event_text.wheel_built(event, self.terminal))
            case LayerReady():
                self._layer(event)
            case ImagePublished():
                self._published(event)
            case BlobPushed():
                self._pushed(event)
            case FileDownloaded():
                self._downloaded(event)
            case StepOutput():
                self._draw(f"  {clean(event.title)} | {clean(event.text)}")
            case TaskOutput():
                self._print(event_text.task_output(event, self.terminal))
            case TaskEnded():
                self._print(event_text.task_ended(event, self.terminal, self._widths))
            case TaskStarted():
                self._widths = self._widths.fitting(event.call, event.image)
                self._draw(f"  {event.call} runs")
            case Noted():
                if not self._said(event.text):
                    self._print(f"{self.terminal.styled('note:', 'yellow')} {clean(event.text)}")

    def _layer(self, event: LayerReady) -> None:
        block = self._blocks.setdefault(event.name, _Block())
        block.layers.add(event.layer.digest)
        if event.how == "written":
            self._add(event.name, event_text.layer_written(event, self.terminal))
        else:
            block.known.append(event)

    def _published(self, event: ImagePublished) -> None:
        block = self._blocks.setdefault(event.name, _Block())
        self._known(event.name)
        if event.reference.registry:
            self._add(event.name, event_text.pushed(event, len(block.uploaded), self.terminal))
        self._add(event.name, event_text.built(event, self.terminal))
        self._end(event.name)

    def _pushed(self, event: BlobPushed) -> None:
        for block in self._blocks.values():
            if event.how == "uploaded" and event.descriptor.digest in block.layers:
                block.uploaded.add(event.descriptor.digest)
        self._draw(f"  {event.how} {size_text(event.descriptor.size)}")

    def _downloaded(self, event: FileDownloaded) -> None:
        self._files += 1
        self._file_bytes += event.size
        if self._verbose:
            self._print(event_text.downloaded(event, self.terminal))
        self._draw(f"  fetched {self._files} files, {size_text(self._file_bytes)}: {event_text.file_name(event.url)}")

    def _known(self, name: str) -> None:
        block = self._blocks.setdefault(name, _Block())
        if self._verbose:
            for one in block.known:
                self._add(name, *event_text.layers_known([one], self.terminal))
        else:
            self._add(name, *event_text.layers_known(block.known, self.terminal))
        block.known = []

    def _add(self, name: str, *lines: str) -> None:
        """Lines of an image: printed when it is the first that is not ended, else kept until it is."""
        block = self._blocks.setdefault(name, _Block())
        block.lines += lines
        if next(iter(self._blocks)) == name:
            self._flush(block)

    def _end(self, name: str) -> None:
        self._blocks[name].ended = True
        self._drain()

    def _drain(self) -> None:
        """Print the first block, and the ones after it as far as all before them have ended."""
        while self._blocks:
            first = next(iter(self._blocks))
            self._flush(self._blocks[first])
            if not self._blocks[first].ended:
                return
            del self._blocks[first]

    def _flush(self, block: _Block) -> None:
        for line in block.lines:
            self._print(line)
        block.lines = []

    def _said(self, text: str) -> bool:
        said = text in self._noted
        self._noted.add(text)
        return said

    # The stream ------------------------------------------------------------------------------------------------

    def _print(self, line: str) -> None:
        self._clear()
        print(line, file=self._err, flush=True)

    def _draw(self, line: str) -> None:
        """Show a line that the next one takes the place of, where the terminal can do that."""
        if self.terminal.live and self._progress == "auto":
            print("\r\x1b[K" + clean(line)[: self.terminal.width - 1], end="", file=self._err, flush=True)
            self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=self._err, flush=True)
            self._drawn = False
