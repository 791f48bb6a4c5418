"""The kinds of layers that a plan has."""

from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.given import GivenLayer
from imagewright.build.step import Step
from imagewright.layer.planned import PlannedLayer

OwnLayer = PlannedLayer | Step | BytecodeLayer
"""A layer that is made: from files alone, by a command on all layers below it, or by the interpreter on its own layers."""

AnyLayer = OwnLayer | GivenLayer
