"""Events as lines of text. Pure: what is printed where, and when, is `imagewright.cli.render`'s."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagewright.build.change_text import sentence
from imagewright.cli.changes_text import changes_text
from imagewright.cli.terminal import Terminal, clean, columns, many, seconds_text, size_text
from imagewright.dataclass import dataclass
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

_FEW = 3  # layers that are there already get a line each up to this many, and one line together above it


@dataclass(frozen=True, slots=True)
class Widths:
    """Columns for the names of calls and of images, so that the ends of tasks stand below each other."""

    call: int = 9
    image: int = 6

    def fitting(self, call: str, image: str) -> "Widths":
        """Wide enough for these as well."""
        return Widths(max(self.call, len(call)), max(self.image, len(image)))


def header(event: BuildStarted, terminal: Terminal, directory: Path) -> str:
    """The first line of an image's block."""
    state = "built again" if event.forced else "new image"
    return _row(
        terminal, f"{event.name}  {event.platform}  {state}", _relative(event.where, directory), bold=event.name
    )


def found(event: ImageFound, terminal: Terminal) -> str:
    """All there is to say of an image that is there."""
    return _row(terminal, f"{event.name}  unchanged", seconds_text(event.seconds), bold=event.name)


def resolved(event: Resolved, terminal: Terminal) -> str:
    """What the requirements became."""
    how = {
        "resolved": "",
        "remembered": ", as before",
        "shared": ", as the registry knows",
        "lock file": ", from the lock file",
    }[event.how]
    what = f"{many(event.packages, 'package')} for Python {event.python}, {event.libc}{how}"
    return _step(terminal, "resolved", what, event.seconds)


def base_ready(event: BaseReady, terminal: Terminal) -> str:
    """What the image stands on."""
    how = {
        "remembered": "referenced, nothing downloaded",
        "assembled": "assembled from its packages",
        "read": "its layers were read once",
    }[event.how]
    return _step(terminal, "base", f"{event.title:<28} {how}", event.seconds)


def platform_begun(event: PlatformBegun, terminal: Terminal) -> str:
    """Which of an image's platforms the next lines are of."""
    return _row(terminal, f"  {event.platform}", "")


def lock_changed(event: LockChanged, terminal: Terminal, *, whole: bool) -> list[str]:
    """What another lock changes, from what to what."""
    return [_row(terminal, f"  {line}", "") for line in changes_text(event.changes, terminal.screen - 2, whole=whole)]


def layer_written(event: LayerReady, terminal: Terminal) -> str:
    """A layer that is new."""
    size = size_text(event.layer.size)
    if not event.input_size:
        return _row(terminal, f"  {_title(event.title)}{size:>7}", seconds_text(event.seconds))
    left = f"  {_title(event.title)}{size_text(event.input_size):>7}  -> layer {size}"
    return _row(terminal, left, seconds_text(event.seconds))


def layers_known(events: Sequence[LayerReady], terminal: Terminal) -> list[str]:
    """Layers that were there: a line each when they are few, else one line."""
    if len(events) <= _FEW:
        return [f"  {_title(one.title)}{size_text(one.layer.size):>7}     {_already(one)}" for one in events]
    lines = []
    for how in ("already in the store", "already in the registry"):
        same = [one for one in events if _already(one) == how]
        if same:
            what = f"{many(len(same), 'layer')}, {size_text(sum(one.layer.size for one in same))}"
            lines.append(f"  {'reused':<11}{what:<29}{how}")
    return lines


def pushed(event: ImagePublished, uploaded: int, terminal: Terminal) -> str:
    """What went to the registry. ``uploaded`` is the number of layers that did."""
    there = event.layers - uploaded
    what = f"{many(uploaded, 'layer')}, {size_text(event.uploaded_size)}"
    if there:
        what += f"; {there} already there"
    return _step(terminal, "pushed", what if uploaded else f"nothing: all {there} layers are there", event.push_seconds)


def built(event: ImagePublished, terminal: Terminal) -> str:
    """The last line of an image's block."""
    reused = f"{event.reused} of {many(event.layers, 'layer')} reused"
    return f"{terminal.styled(f'Built {event.name}', 'green')} in {seconds_text(event.seconds)}: {reused}"


def wheel_built(event: WheelBuilt, terminal: Terminal) -> str:
    """A package that had no wheel."""
    how = "" if event.how == "built" else ", as before"
    what = f"{clean(event.title)} from {clean(event.source)}{how}  {size_text(event.size)}"
    return _step(terminal, "built", what, event.seconds)


def task_ended(event: TaskEnded, terminal: Terminal, widths: Widths) -> str:
    """How a task call ended."""
    outcome = terminal.styled(event.outcome, "green" if event.outcome == "succeeded" else "red")
    return f"  {event.call:<{widths.call}} {event.image:<{widths.image}} {outcome}  {seconds_text(event.seconds)}"


def task_output(event: TaskOutput, terminal: Terminal) -> str:
    """A line that a task wrote, marked with the call that wrote it."""
    return f"  {terminal.styled(event.call + ' |', 'dim')} {clean(event.text, colour=terminal.colour)}"


def downloaded(event: FileDownloaded, terminal: Terminal) -> str:
    """A file that came from elsewhere."""
    return _step(terminal, "fetched", f"{file_name(event.url)}  {size_text(event.size)}", event.seconds)


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    return clean(unquote(urlsplit(url).path.rpartition("/")[2]))


def plain(event: Event, directory: Path) -> str:
    """An event in one line without layout, for logs and grep; "" for one that a log does not need."""
    match event:
        case ImageFound():
            return f"unchanged {event.reference.pinned} {event.seconds:.2f}s"
        case BuildStarted():
            return f"new image {_relative(event.where, directory)}".rstrip()
        case Resolved():
            return (
                f"{event.how} {many(event.packages, 'package')} python {event.python} {event.libc} {event.seconds:.2f}s"
            )
        case PlatformBegun():
            return f"platform {event.platform}"
        case LockChanged():
            return f"changed {', '.join(clean(sentence(change)) for change in event.changes)}"
        case BaseReady():
            return f"base {event.title} {event.how} {event.seconds:.2f}s"
        case FileDownloaded():
            return f"fetched {file_name(event.url)} {size_text(event.size)} {event.seconds:.2f}s"
        case LayerReady(how="written"):
            return f"{clean(event.title)} layer {size_text(event.layer.size)} {event.seconds:.2f}s"
        case LayerReady():
            return f"{clean(event.title)} layer {size_text(event.layer.size)} {_already(event)}"
        case StepOutput():
            return f"{clean(event.title)} | {clean(event.text)}"
        case WheelBuilt():
            return f"{event.how} {clean(event.title)} from {clean(event.source)} {event.seconds:.2f}s"
        case BlobPushed():
            return f"{event.how} {event.descriptor.digest} {size_text(event.descriptor.size)}"
        case ImagePublished():
            return f"built {event.reference.pinned} {event.reused} of {event.layers} layers reused {event.seconds:.2f}s"
        case TaskStarted():
            return f"{event.call} started in {event.image}" if event.image else f"{event.call} started"
        case TaskOutput():
            return f"{event.call} {event.stream}: {clean(event.text)}"
        case TaskEnded():
            return f"{event.call} {event.outcome} {event.seconds:.2f}s"
        case Noted():
            return f"note: {clean(event.text)}"


def _already(event: LayerReady) -> str:
    return "already in the registry" if event.how == "registry" else "already in the store"


def _title(title: str) -> str:
    """``numpy 2.3.5`` in two columns; a title that is no name and version in one."""
    name, _, version = clean(title).partition(" ")
    if version and " " not in version and len(name) <= 20:
        return f"{name:<11}{version:<8} " if len(name) < 11 else f"{name} {version:<{max(0, 18 - len(name))}} "
    return f"{clean(title):<18}  "


def _step(terminal: Terminal, verb: str, what: str, seconds: float) -> str:
    return _row(terminal, f"  {verb:<11}{what}", seconds_text(seconds))


def _row(terminal: Terminal, left: str, right: str, *, bold: str = "") -> str:
    line = columns(left, right, terminal.width)
    if not terminal.colour:
        return line
    if right:
        line = line[: -len(right)] + terminal.styled(right, "dim")
    return terminal.styled(bold, "bold") + line[len(bold) :] if bold and line.startswith(bold) else line


def _relative(where: str, directory: Path) -> str:
    """``file:line`` with the file relative to ``directory`` when it is in it."""
    file, colon, line = where.rpartition(":")
    path = Path(file)
    if colon and path.is_absolute() and path.is_relative_to(directory):
        return f"{path.relative_to(directory)}:{line}"
    return where
