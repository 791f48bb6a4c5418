"""Lock -> plan: which layers, in which order, and what a container starts with. Pure: same lock, same plan."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from imagewright.build.base.locked import LockedImage
from imagewright.build.budget import share_layers
from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.container_config import annotations_of, config_of
from imagewright.build.given import GivenLayer
from imagewright.build.ingredients import ANNOTATION, annotation
from imagewright.build.kinds import AnyLayer, OwnLayer
from imagewright.build.lock import Lock
from imagewright.build.package_options import allow_bad_record, allow_overwrite
from imagewright.build.step import Step
from imagewright.dataclass import dataclass
from imagewright.layer.planned import PlannedLayer
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.digest import Digest
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.pypi.environment_layer import EnvironmentLayer
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.spec import ImageSpec
from imagewright.store.images import ReadImage


@dataclass(frozen=True, slots=True)
class Plan:
    """An image that is decided, not made. ``name`` is the spec's. A `Step` lies on all layers before it."""

    name: str
    layers: tuple[AnyLayer, ...]
    config: ImageConfig
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """A line for each layer, as ``docker history`` shows them."""
        return tuple(_history(layer) for layer in self.layers)


def plan(
    spec: ImageSpec, lock: Lock, below: Plan, sources: tuple[PlannedLayer, ...], *, changed_above: bool = False
) -> Plan:
    """The image of this lock: the base, Debian packages, the environment, the wheels and their bytecode, the user's own files, the commands.

    ``below`` is the base's plan, ``sources`` are the layers of the files. ``changed_above``: an image on this one may change what it has.
    """
    config = config_of(spec, lock.target, _base_config(lock, below))
    wheels: list[PlannedLayer] = [
        WheelLayer(group, lock.target, allow_bad_record(spec))
        for group in share_layers(lock.wheels, last=allow_overwrite(spec))
    ]
    packages = _with_conda((*below.layers, *_apt(spec, lock, below)), spec, lock, config)
    bytecode = _bytecode(spec, lock, config, packages, changed_above=changed_above)
    layers = (*packages, *_environment(lock), *wheels, *bytecode, *sources)
    return Plan(
        spec.name,
        (*layers, *_commands(spec, config, [layer.key for layer in layers])),
        config,
        {**annotations_of(spec, below.annotations), ANNOTATION: annotation(spec, lock)},
    )


def _bytecode(
    spec: ImageSpec, lock: Lock, config: ImageConfig, below: Sequence[AnyLayer], *, changed_above: bool
) -> tuple[BytecodeLayer, ...]:
    if not spec.compile_bytecode:
        return ()
    from imagewright.build.bytecode.planned import bytecode_layers  # not loaded for an image without any

    steps = changed_above or bool(spec.commands) or any(isinstance(layer, Step) for layer in below)
    return bytecode_layers(
        lock, config, below, steps=steps, allow_bad_record=allow_bad_record(spec), last=allow_overwrite(spec)
    )


def _apt(spec: ImageSpec, lock: Lock, below: Plan) -> tuple[Step, ...]:
    if not lock.apt:
        return ()
    from imagewright.build.apt import apt_steps  # not loaded for an image without any

    return apt_steps(spec, lock.apt, [layer.key for layer in below.layers])


def _with_conda(layers: tuple[AnyLayer, ...], spec: ImageSpec, lock: Lock, config: ImageConfig) -> tuple[AnyLayer, ...]:
    if lock.conda is None:
        return layers
    from imagewright.build.conda import conda_layers, post_link_steps

    layers = (*layers, *conda_layers(spec, lock))
    return (*layers, *post_link_steps(spec, lock, config, [layer.key for layer in layers]))


def _base_config(lock: Lock, below: Plan) -> ImageConfig:
    if lock.conda is None:
        return below.config
    from imagewright.build.conda import with_conda

    return with_conda(below.config, lock.conda)


def _commands(spec: ImageSpec, config: ImageConfig, below: Sequence[Digest]) -> tuple[Step, ...]:
    if not spec.commands:
        return ()
    from imagewright.build.commands import command_steps

    return command_steps(spec, config, below)


def default_base(locked: LockedBase) -> Plan:
    """The default base image alone."""
    base = plan_base(locked)
    return Plan("", base.layers, base.config)


def image_base(locked: LockedImage, image: ReadImage) -> Plan:
    """Somebody else's image alone: its layers as they are, and its config. Source: OCI image-spec v1.1, annotations.md."""
    layers = tuple(GivenLayer(layer, title) for layer, title in zip(image.layers, image.titles, strict=True))
    names = {
        "org.opencontainers.image.base.name": locked.reference,
        "org.opencontainers.image.base.digest": locked.manifest.digest,
    }
    return Plan("", layers, image.config, names)


def _environment(lock: Lock) -> tuple[PlannedLayer, ...]:
    """The layer of our environment, unless it is in the base already, or wheels go into that of conda's Python."""
    if lock.conda is not None and lock.conda.python:
        return ()
    match lock.base:
        case LockedBase():
            return (EnvironmentLayer(lock.target),)
        case LockedImage(extends=False):
            return (EnvironmentLayer(lock.target, lock.base.packages, lock.base.system),)
        case _:
            return ()


def _history(layer: AnyLayer) -> HistoryEntry:
    if isinstance(layer, GivenLayer):
        return HistoryEntry(layer.title or "base image")
    return HistoryEntry(f"imagewright: {layer.title}", _comment(layer))


def _comment(layer: OwnLayer) -> str:
    if isinstance(layer, BytecodeLayer):
        return "in a sandbox, without a network"
    if not isinstance(layer, Step):
        return ""
    return "in a sandbox, with the network" if layer.network else "in a sandbox, without a network"
