"""What is wanted: ImageSpec. Standard library only, Python 3.9 and later; it does nothing by itself."""

from imagewright.spec.image_spec import ImageSpec

__all__ = ["ImageSpec"]
