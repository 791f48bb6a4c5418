"""Two images, lock files or declarations beside each other: what is opened for that, and what differs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagewright.build.changes import changes_between, mapping_changes
from imagewright.build.ingredients import Ingredients, ingredients_in, ingredients_of
from imagewright.build.lock_file import read_lock
from imagewright.build.registry_config import with_registry_configs
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.builders.native import check_supported
from imagewright.cli.references import names_registry, reference_of
from imagewright.cli.stored import find_image, short
from imagewright.cli.transfer import found_at_registry
from imagewright.cli.userfile import read_file, specs_in
from imagewright.dataclass import dataclass
from imagewright.errors import LockError, StoreError, UsageError
from imagewright.events import Change, Kind
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec
from imagewright.store.images import ReadImage, platforms_of, read_image
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource

_OWN_LABEL = "dev.imagewright.spec"
_USUAL = Platform("linux", "amd64")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: an image that is there, or only what one would be made of. At least one of the last is not None."""

    title: str
    image: ReadImage | None
    ingredients: Ingredients | None


@dataclass(frozen=True, slots=True)
class Layers:
    """How many layers two images share, have each, and how many bytes of the second are not in the first."""

    shared: int
    before: int
    after: int
    new_size: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs. ``layers`` is None unless both are images."""

    changes: tuple[Change, ...]
    layers: Layers | None


def wanted_platform(text: str | None) -> Platform | None:
    """What ``--platform`` says.

    Raises:
        UsageError: It is no platform.
    """
    try:
        return Platform.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--platform {text!r}: {error}", fix="--platform linux/amd64") from error


def open_image(name: str, platform: Platform | None, session: Session) -> ReadImage:
    """An image by what a person types: of a registry when its name starts with one, else of the local store.

    Without a ``platform`` it is linux/amd64 of several, else the only or first one.

    One that is named by its digest is the same anywhere, so the local store is looked into first.

    Raises:
        StoreError: There is no such image (IW521).
        NetworkError, CredentialsError: The registry cannot tell.
    """
    store = Layout(session.store_dir)
    if not names_registry(name) or session.offline or ("@" in name and _is_stored(store, name)):
        return _read(store, find_image(store, name).descriptor, platform, name)
    source, root = found_at_registry(reference_of(name), session)
    return _read(source, root, platform, name)


def open_sides(texts: tuple[str, str], platform: Platform | None, session: Session) -> tuple[Side, Side]:
    """Each an image, a lock file (``.toml``), or what would be built now of a Python file (``app.py``, ``app.py:NAME``).

    Of a file with several images the one that is called as the other side's is meant, and of an index of images the one
    for the platform of the other side. Logins that a file's spec brings along (``registry_config``) are for both sides.
    """
    specs = [_spec_of(text, other) for text, other in (texts, texts[::-1])]
    session = with_registry_configs(filter(None, specs), session)
    known = [_declared(text, spec, platform, session) for text, spec in zip(texts, specs, strict=True)]
    platforms = [side.ingredients.lock.target.platform for side in known if side and side.ingredients]
    wanted = platform or next(iter(platforms), None)
    first, second = (side or _image(text, wanted, session) for side, text in zip(known, texts, strict=True))
    return first, second


def _spec_of(text: str, other: str) -> ImageSpec | None:
    """The spec of a side that is a Python file."""
    path, _, name = text.partition(":")
    return _spec(Path(path), name, other) if Path(path).suffix == ".py" else None


def _declared(text: str, spec: ImageSpec | None, platform: Platform | None, session: Session) -> Side | None:
    """A side that is a file; None for one that is an image."""
    if spec is not None:
        platforms = check_supported(spec)
        if platform is not None and platform not in platforms:
            raise UsageError(f"image {spec.name!r} is not for {platform}", why=f"it is for {spec.platform}")
        lock = lock_of(spec, platform or platforms[0], session)
        return Side(f"{text} now", None, ingredients_of(spec, lock))
    if Path(text).suffix == ".toml":
        return Side(text, None, read_lock(Path(text)))
    return None


def _image(text: str, platform: Platform | None, session: Session) -> Side:
    image = open_image(text, platform, session)
    return Side(text, image, ingredients_in(image.annotations, name=text))


def _read(source: BlobSource, root: Descriptor, platform: Platform | None, name: str) -> ReadImage:
    if platform is None:
        there = platforms_of(source, root, name=name)
        platform = _USUAL if _USUAL in there or not there else there[0]
    return read_image(source, root, platform, name=name)


def compare(before: Side, after: Side) -> Comparison:
    """What differs between the two.

    Raises:
        LockError: One is an image that carries no lock, and the other no image (IW209).
    """
    layers = _layers(before.image, after.image) if before.image and after.image else None
    if before.ingredients is not None and after.ingredients is not None:
        return Comparison(changes_between(before.ingredients, after.ingredients), layers)
    if before.image is None or after.image is None:
        bare = before if before.ingredients is None else after
        raise LockError(
            f"the image {bare.title} carries no lock, so what it is made of is not known",
            code="IW209",
            why="images that imagewright builds carry one; tools that write a new manifest leave it out",
            fix="build it again: imagewright build --force FILE",
        )
    return Comparison(mapping_changes(_settings(before.image.config), _settings(after.image.config)), layers)


def as_json(before: Side, after: Side, found: Comparison) -> dict[str, Any]:
    """The same for programs."""
    document: dict[str, Any] = {
        "from": _named(before),
        "to": _named(after),
        "same": not found.changes and not (found.layers and found.layers.new_size),
        "changes": [
            {"kind": one.kind, "name": one.name, "before": one.before, "after": one.after} for one in found.changes
        ],
    }
    if found.layers:
        one = found.layers
        sizes = {"shared": one.shared, "before": one.before, "after": one.after, "new_size": one.new_size}
        document["layers"] = sizes
    return document


def titled(side: Side) -> str:
    """What a side is called: as it was typed, with the start of its digest."""
    if side.image is None or "sha256:" in side.title:
        return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]*", r"\1", side.title)
    return f"{side.title} ({short(side.image.descriptor.digest)})"


def _named(side: Side) -> dict[str, Any]:
    return {"name": side.title, **({"digest": side.image.descriptor.digest} if side.image else {})}


def _spec(file: Path, name: str, other: str) -> ImageSpec:
    specs = specs_in(read_file(file))
    repository = re.split(r"[@:]", other.rpartition("/")[2])[0]
    named = [
        spec for spec in specs if spec.name == (name or repository) or spec.name.endswith(f"/{name or repository}")
    ]
    if not named and len(specs) == 1 and not name:
        return specs[0]
    if len(named) == 1:
        return named[0]
    raise UsageError(
        f"{file.name} has {len(named) or 'no'} image{'s' if len(named) != 1 else ''} called {name or repository!r}",
        why=f"it has {', '.join(spec.name for spec in specs)}",
        fix=f"name one: {file}:{specs[0].name}",
    )


def _layers(before: ReadImage, after: ReadImage) -> Layers:
    old = {layer.diff_id for layer in before.layers}
    new = [layer for layer in after.layers if layer.diff_id not in old]
    return Layers(
        len(after.layers) - len(new),
        len(before.layers),
        len(after.layers),
        sum(layer.descriptor.size for layer in new),
    )


def _settings(config: ImageConfig) -> Mapping[Kind, Mapping[str, str]]:
    facts = {
        "entrypoint": " ".join(config.entrypoint),
        "command": " ".join(config.command),
        "user": config.user,
        "workdir": config.workdir,
        **{f"label {name}": str(value) for name, value in config.labels.items() if name != _OWN_LABEL},
    }
    return {"env": config.env, "setting": {name: value for name, value in facts.items() if value}}


def _is_stored(store: Layout, name: str) -> bool:
    try:
        find_image(store, name)
    except StoreError:
        return False
    return True
