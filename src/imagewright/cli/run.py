"""`imagewright run FILE WORKFLOW --x 1`: the tasks of a workflow, here or each in a container of its image."""

import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import click

from imagewright.build.session import Session
from imagewright.cli.app import App
from imagewright.cli.inputs import read_inputs
from imagewright.cli.options import assume_exists_option, build_options, locked_option, talk_options, timeout_option
from imagewright.cli.project import EXAMPLE
from imagewright.cli.results import keep_files
from imagewright.cli.session import session_of
from imagewright.cli.signals import temporary_folder
from imagewright.cli.terminal import seconds_text
from imagewright.cli.userfile import import_file, read_file, spec_of, talk
from imagewright.errors import ImagewrightError, StoreError, UsageError, Where
from imagewright.events import Event, TaskEnded, TaskStarted
from imagewright.flow.graph import ContainerImage, Graph
from imagewright.flow.load import find_workflow, root_of
from imagewright.flow.show import plain, show
from imagewright.oci.reference import Reference
from imagewright.runners.catalog import runner_named
from imagewright.runners.protocol import Setup
from imagewright.runners.schedule import Placement
from imagewright.runners.schedule import run as run_graph

HELLO = "hello"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--container", is_flag=True, help="Run each task in a container of its own image.")
@click.option("--force", is_flag=True, help="Build images even when they are there.")
@click.option("--upgrade", is_flag=True, help="Resolve the images' requirements anew.")
@locked_option
@assume_exists_option
@timeout_option
@build_options
@talk_options
@click.argument(
    "arguments", metavar="FILE [WORKFLOW] [--INPUT VALUE]...", nargs=-1, type=click.UNPROCESSED, required=True
)
@click.pass_context
def run(
    context: click.Context, container: bool, force: bool, upgrade: bool, locked: bool, arguments: tuple[str, ...]
) -> None:
    """Run a workflow of a file, and print its result.

    WORKFLOW may be left out when the file has one. Its inputs are options: imagewright run FILE WORKFLOW --help lists them.
    `imagewright run hello` writes an example and runs it.
    """
    app: App = context.obj
    file, name, rest = _parted(arguments)
    wrote = _write_example(app, file)
    file = Path("hello.py") if str(file) == HELLO and not file.exists() else file
    try:
        graph = find_workflow((read_file if container else import_file)(file), name).graph
    except UsageError as error:
        if error.code == "IW110" and not container:
            in_image = shlex.join(["imagewright", "run", "--container", *arguments])
            error.fix = (f"run its tasks inside their images: {in_image}", *error.fix)
        raise
    program = f"imagewright run {file} {graph.name}"
    own = frozenset(option for parameter in context.command.params for option in parameter.opts)
    inputs = read_inputs(graph, rest, program=program, own=own)
    try:
        if container:
            named = [spec for node in graph.nodes if (spec := spec_of(node.template)) is not None]
            session = session_of(app, upgrade=upgrade, locked=locked, specs=named)
            value = _in_containers(app, file, _limited(graph, app.settings.timeout), inputs, session, force=force)
        else:
            value = _here(app, file, graph, inputs)
    except ImagewrightError as error:
        _name_the_command(error, graph, ["imagewright", "run", "--container", *arguments])
        raise
    app.console.answer("" if value is None else show(value), {"result": plain(value)})
    if wrote:
        app.console.say(f"Next: imagewright build {file}     make the image its tasks name")


def _parted(arguments: tuple[str, ...]) -> tuple[Path, str | None, list[str]]:
    """File, workflow and inputs."""
    file, *rest = arguments
    if file.startswith("-"):
        raise UsageError(f"imagewright run has no option {file.partition('=')[0]}", fix="imagewright run --help")
    name = rest.pop(0) if rest and not rest[0].startswith("-") else None
    return Path(file), name, rest


def _write_example(app: App, file: Path) -> bool:
    """Whether the example was asked for; it is written unless there is a file of that name."""
    if str(file) != HELLO or file.exists():
        return False
    try:
        with Path("hello.py").open("x", encoding="utf-8") as example:
            example.write(EXAMPLE)
    except FileExistsError:
        return True
    except OSError as error:
        raise StoreError("the example cannot be written to ./hello.py", why=error.strerror or str(error)) from error
    app.console.say("Wrote the example to ./hello.py - edit it, it is yours.")
    return True


def _here(app: App, file: Path, graph: Graph, inputs: Mapping[str, Any]) -> Any:
    """Run it in this process. The tasks are not told of one by one, unless with ``-v``."""
    verbose = bool(app.flags.get("verbose"))

    def listen(event: Event) -> None:
        if verbose or not isinstance(event, (TaskStarted, TaskEnded)):
            app.console.listen(event)

    begin = time.monotonic()
    root = root_of(file)
    with temporary_folder() as work, talk():
        runner = runner_named("inprocess", Setup(app.settings.cache_dir, Path(work), graph.tasks))
        value = run_graph(graph, inputs, runner, listen, root=root, file=_relative(file, root))
    given = ", ".join(f"{name}={value!r}" for name, value in inputs.items())
    call = f"{graph.name}({given if len(given) <= 60 else given[:57] + '...'})"
    app.console.say(f"{call}  ran here, in {seconds_text(time.monotonic() - begin)}")
    return value


def _in_containers(
    app: App, file: Path, graph: Graph, inputs: Mapping[str, Any], session: Session, *, force: bool
) -> Any:
    """Make sure that every image is there, all at once, then run each task in a container of its image."""
    from imagewright.builders.ensure import ensure_all  # a run in this process builds nothing
    from imagewright.runners.images import bring_here
    from imagewright.runners.runtime_packages import with_runtime_packages

    begin = time.monotonic()
    templates = {node.template.container_image: node.template for node in graph.nodes}
    specs = {image: spec_of(template) for image, template in templates.items()}
    made = ensure_all([spec for spec in specs.values() if spec is not None], session, force=force or session.upgrade)
    references = {image: Reference.parse(str(image)) if spec is None else made[spec] for image, spec in specs.items()}
    brought = bring_here(references.values(), session)
    starting = {
        image: brought[references[image]]
        if spec is None
        else with_runtime_packages(spec, brought[references[image]], session)
        for image, spec in specs.items()
    }

    def placed(image: ContainerImage) -> Placement:
        spec, reference = specs[image], starting[image]
        return Placement(spec.name if spec else str(image), str(reference), spec.declared if spec else "")

    root = root_of(file)
    with temporary_folder() as work:
        runner = runner_named("container", Setup(session.cache_dir, Path(work), graph.tasks))
        value = run_graph(
            graph, inputs, runner, app.console.listen, root=root, file=_relative(file, root), placed=placed
        )
        app.console.listen(TaskEnded(graph.name, graph.name, "", "succeeded", time.monotonic() - begin))
        return keep_files(value, app.directory / "imagewright-results" / time.strftime("%Y%m%d-%H%M%S"))


def _limited(graph: Graph, timeout: int) -> Graph:
    """The graph with this time limit, in seconds, for each task that has none of its own; 0 is none."""
    if not timeout:
        return graph
    nodes = (
        node
        if node.template.timeout_seconds
        else replace(node, template=replace(node.template, timeout_seconds=timeout))
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def _relative(file: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(file.absolute().relative_to(root))


def _name_the_command(error: ImagewrightError, graph: Graph, command: list[str]) -> None:
    """When a package is absent here, say which image has it, and the whole command that runs the task there."""
    named = [node.template for node in graph.nodes if f"task '{node.template.title}'" in error.what]
    spec = spec_of(named[0]) if named else None
    if error.code != "IW110" or error.where is None or spec is None:
        return
    in_image = f"in image '{spec.name}' ({Path(spec.where.file).name}:{spec.where.line})"
    error.where = Where(error.where.file, error.where.line, in_image)
    package = error.what.partition(" needs ")[2].partition(",")[0]
    error.fix = (
        f"run it inside its image:   {shlex.join(command)}",
        f"  or install it here:        uv pip install {package}",
    )
