"""Which of the user's own files go into an image."""

from __future__ import annotations

from enum import Enum


class CopyFileDetection(Enum):
    """Which files below ``source_root`` go into the image. Names and values are flytekit's."""

    LOADED_MODULES = 1
    ALL = 2
    NO_COPY = 3


MODES = {
    "auto": CopyFileDetection.LOADED_MODULES,
    "loaded_modules": CopyFileDetection.LOADED_MODULES,
    "all": CopyFileDetection.ALL,
    "none": CopyFileDetection.NO_COPY,
    "no_copy": CopyFileDetection.NO_COPY,
}
"""The words for them."""
