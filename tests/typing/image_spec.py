"""Only type-checked: what a type checker makes of an ImageSpec. Each ignored line is an error that it must find."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec

spec = ImageSpec("demo", packages=["numpy"], requirements=Path("requirements.txt"), commands=("ls",), env={"A": "1"})

assert_type(spec.packages, tuple[str, ...])
assert_type(spec.entrypoint, tuple[str, ...] | None)
assert_type(spec.env, Mapping[str, str])
assert_type(spec.base_image, str | ImageSpec | None)
assert_type(spec.digest, Digest)
assert_type(spec.reference, Reference)
assert_type(spec.platforms, tuple[Platform, ...])
assert_type(spec.is_container(), bool)
assert_type(spec.with_packages("a").with_env({"B": "2"}).force_push(), ImageSpec)
assert_type(ImageSpec.from_env(pinned_packages=["numpy"]), ImageSpec)

ImageSpec(packages="numpy")  # type: ignore[arg-type]
ImageSpec(python_version=3.11)  # type: ignore[arg-type]
ImageSpec(env={"A": 1})  # type: ignore[dict-item]
ImageSpec(package=["numpy"])  # type: ignore[call-arg]
