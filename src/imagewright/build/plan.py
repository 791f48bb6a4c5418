"""Lock -> plan: which layers, in which order, and what a container starts with. Pure: same lock, same plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from imagewright.build.budget import share_layers
from imagewright.build.lock import Lock
from imagewright.layer.planned import PlannedLayer
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.packages.deb.base import plan_base
from imagewright.packages.pypi.environment_layer import EnvironmentLayer
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.spec import ImageSpec
from imagewright.spec.names import normalized_name


@dataclass(frozen=True, slots=True)
class Plan:
    """An image that is decided, not made. ``name`` is the spec's."""

    name: str
    layers: tuple[PlannedLayer, ...]
    config: ImageConfig
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """A line for each layer, as ``docker history`` shows them."""
        return tuple(HistoryEntry(f"imagewright: {layer.title}") for layer in self.layers)


def plan(spec: ImageSpec, lock: Lock, sources: tuple[PlannedLayer, ...]) -> Plan:
    """The image of this lock: the base, the environment, the wheels, then the user's own files (``sources``)."""
    base = plan_base(lock.base)
    environment: PlannedLayer = EnvironmentLayer(base.target)
    wheels: list[PlannedLayer] = [
        WheelLayer(group, base.target, allow_bad_record(spec)) for group in share_layers(lock.wheels)
    ]
    return Plan(
        spec.name,
        (*base.layers, environment, *wheels, *sources),
        _config(spec, base.config),
        {"dev.imagewright.spec": spec.digest},
    )


def allow_bad_record(spec: ImageSpec) -> frozenset[str]:
    """The distributions whose RECORD may be wrong: ``builder_options={"allow_bad_record": ["name"]}``."""
    return frozenset(normalized_name(name) for name in spec.builder_options.get("allow_bad_record", ()))


def _config(spec: ImageSpec, base: ImageConfig) -> ImageConfig:
    """The base's config with what the spec adds. ``entrypoint=[]`` clears the base's, None keeps it."""
    changed = replace(
        base,
        env={**base.env, **dict(spec.env or {})},
        labels={**base.labels, "dev.imagewright.spec": spec.digest},
    )
    return changed if spec.entrypoint is None else replace(changed, entrypoint=tuple(spec.entrypoint))
