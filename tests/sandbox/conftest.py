"""The images and the users of these tests."""

from tests.sandbox.ordinary import lent_user, ordinary_user
from tests.sandbox.small_images import busybox_layer, python_layer

__all__ = ["busybox_layer", "lent_user", "ordinary_user", "python_layer"]
