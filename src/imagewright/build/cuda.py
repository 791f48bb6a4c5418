"""``cuda`` and ``cudnn``: NVIDIA's wheels of that version, or what the base has, and the driver of the machine. Pure.

docs/decisions/0162 says why it is so.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec
from imagewright.spec.requirements import PROJECT_LOCKS, PYLOCK, SCRIPT, kind_of

CUDA_VERSION, CUDNN_VERSION = "CUDA_VERSION", "NV_CUDNN_VERSION"
"""The variables by which NVIDIA's own images say what they have."""

_FIRST_WHEELS = 11
_NAMES_WITHOUT_NUMBER = 13
"""From this CUDA on, NVIDIA's wheels are called ``nvidia-cuda-runtime``; before, ``nvidia-cuda-runtime-cu12``."""

_VERSIONED = ("cuda-runtime", "cuda-nvrtc", "cuda-cupti", "cuda-nvcc", "nvjitlink", "nvtx", "cublas")
"""Wheels whose version begins with CUDA's; of cuBLAS before 13. Those of cuFFT, cuRAND and others count by themselves."""

_RUNTIMES = ("nvidia-cuda-runtime-cu11", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime")
"""CUDA's runtimes, which can stand beside each other as they have other names. Of one image only one is wanted."""

_CUDA = re.compile(r"(?P<major>\d{1,2})(?:\.(?P<minor>\d{1,2}))?(?:\.\d{1,3})?")
_CUDNN = re.compile(r"\d{1,2}(?:\.\d{1,3}){0,3}")
_DRIVER_FOLDERS = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64"
"""Where clusters that do not use NVIDIA's container toolkit put the driver's libraries (GKE does)."""


@dataclass(frozen=True, slots=True)
class CudaPackages:
    """What CUDA adds to a request: requirements, and constraints on what others require."""

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = field(default=())


def check_cuda(spec: ImageSpec) -> None:
    """See that ``cuda`` and ``cudnn`` are versions.

    Raises:
        SpecError: One is not, or cuDNN is wanted without CUDA.
    """
    match = _CUDA.fullmatch(spec.cuda or "")
    if spec.cuda and (match is None or int(match["major"]) < _FIRST_WHEELS):
        raise SpecError(
            f"cuda={spec.cuda!r} is not a version of CUDA that packages are made for",
            fix='cuda="12.4"; the oldest with wheels is 11.7',
            where=spec.where_of("cuda"),
        )
    if spec.cudnn and not spec.cuda:
        raise SpecError(
            f"cudnn={spec.cudnn!r} does not say for which CUDA",
            fix=f'cuda="12.4", cudnn="{spec.cudnn}"',
            where=spec.where_of("cudnn"),
        )
    if spec.cudnn and not _CUDNN.fullmatch(spec.cudnn):
        raise SpecError(
            f"cudnn={spec.cudnn!r} is not a version of cuDNN", fix='cudnn="9"', where=spec.where_of("cudnn")
        )


def cuda_packages(spec: ImageSpec, base: Mapping[str, str]) -> CudaPackages:
    """What the indexes are asked for. ``base`` is the base's environment: what it has is not installed again.

    A lock is taken as it is; `check_installed_cuda` looks at what it has.

    Raises:
        LockError: The base has another CUDA or cuDNN (IW204).
    """
    if not spec.cuda:
        return CudaPackages()
    wanted = _release(spec.cuda)
    constraints = (
        *(
            f"{_wheel(name, wanted)}=={wanted}.*"
            for name in _VERSIONED
            if not (name == "cublas" and _major(wanted) >= 13)
        ),
        *(f"{name}<0" for name in _RUNTIMES if name != _wheel("cuda-runtime", wanted)),
    )
    has_cuda = _base_has(spec, "cuda", spec.cuda, base.get(CUDA_VERSION, ""))
    requirements = [] if has_cuda else [f"{_wheel('cuda-runtime', wanted)}=={wanted}.*"]
    if spec.cudnn:
        cudnn = f"{_cudnn_wheel(wanted)}=={spec.cudnn}{'' if spec.cudnn.count('.') == 3 else '.*'}"
        constraints += (cudnn,)
        if not _base_has(spec, "cudnn", spec.cudnn, base.get(CUDNN_VERSION, "").partition("-")[0]):
            requirements.append(cudnn)
    return CudaPackages((), constraints) if _is_locked(spec) else CudaPackages(tuple(requirements), constraints)


def check_installed_cuda(spec: ImageSpec, base: Mapping[str, str], installed: Iterable[tuple[str, str]]) -> None:
    """See that what is installed, by name and version, is what ``cuda`` and ``cudnn`` ask for.

    Raises:
        LockError: A lock has another version, or none; or torch is one that is made without CUDA (IW202).
    """
    if not spec.cuda:
        return
    wanted, versions = _release(spec.cuda), dict(installed)
    _check_torch(spec, versions)
    if not _is_locked(spec):
        return
    asked = [("cuda", spec.cuda, _wheel("cuda-runtime", wanted), base.get(CUDA_VERSION))]
    if spec.cudnn:
        asked.append(("cudnn", spec.cudnn, _cudnn_wheel(wanted), base.get(CUDNN_VERSION)))
    for name, value, wheel, in_base in asked:
        has = versions.get(wheel, "")
        if in_base or _agree(value if name == "cudnn" else wanted, has):
            continue
        raise LockError(
            f"{spec.requirements} has {f'{wheel} {has}' if has else f'no {wheel}'}, and {name}={value!r} asks for another",
            code="IW202",
            fix=[
                f'add "{wheel}=={value if name == "cudnn" else wanted}.*" to pyproject.toml and lock again',
                f"or leave {name} out",
            ],
            where=spec.where_of(name),
        )


def _check_torch(spec: ImageSpec, versions: Mapping[str, str]) -> None:
    """One name stands for wheels with and without CUDA. Those with it require NVIDIA's NCCL, or say ``+cu124``."""
    torch = versions.get("torch", "")
    with_cuda = "+cu" in torch or any(name.startswith("nvidia-nccl") for name in versions)
    if torch and not with_cuda:
        raise LockError(
            f"torch {torch} is made without CUDA, and cuda={spec.cuda!r} asks for it",
            code="IW202",
            why="the indexes have no newer torch that is made for this CUDA and this platform",
            fix=[
                "pip_extra_index_url=[...] with PyTorch's own index for this CUDA",
                "or pin an older torch that was made for it, or take another cuda=",
            ],
            where=spec.where_of("cuda"),
        )


def explain_cuda(error: LockError, spec: ImageSpec) -> None:
    """Name ``cuda`` and ``cudnn`` where they are why there is no resolution."""
    said = " ".join((error.what, *error.why))
    named = [name for name in ("cuda", "cudnn") if getattr(spec, name) and f"nvidia-{name}" in said]
    if named:
        error.why = (*error.why, *(f"{name}={getattr(spec, name)!r} asks for NVIDIA's wheels of it" for name in named))
        error.fix = (*error.fix, "or another cuda=, or packages that are made for this one")
        error.where = spec.where_of(named[0])


def cuda_env(spec: ImageSpec, target: Target, base: Mapping[str, str]) -> dict[str, str]:
    """The variables that a container with CUDA starts with; those that the base has already are left to it.

    Source: NVIDIA Container Toolkit, "Specialized Configurations with Docker". A driver that is older than the first
    of this CUDA's major version is refused at a container's start; a newer one runs all of its minor versions.
    """
    if not spec.cuda:
        return {}
    wanted = _release(spec.cuda)
    env = {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_CUDA": f"cuda>={_major(wanted)}.0",
        CUDA_VERSION: spec.cuda,
    }
    env = {name: value for name, value in env.items() if name not in base}
    runtime = f"cu{_major(wanted)}" if _major(wanted) >= _NAMES_WITHOUT_NUMBER else "cuda_runtime"
    wheels = [runtime] if CUDA_VERSION not in base else []
    wheels += ["cudnn"] if spec.cudnn and CUDNN_VERSION not in base else []
    if not wheels:
        return env
    folders = [f"{target.site_packages}/nvidia/{name}/lib" for name in wheels]
    return {**env, "LD_LIBRARY_PATH": ":".join((*folders, base.get("LD_LIBRARY_PATH") or _DRIVER_FOLDERS))}


def _release(version: str) -> str:
    """``12.4`` of 12.4.1: NVIDIA's wheels do not know the third number."""
    return ".".join(version.split(".")[:2])


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _wheel(component: str, version: str) -> str:
    major = _major(version)
    return f"nvidia-{component}" if major >= _NAMES_WITHOUT_NUMBER else f"nvidia-{component}-cu{major}"


def _cudnn_wheel(version: str) -> str:
    return f"nvidia-cudnn-cu{_major(version)}"


def _agree(wanted: str, has: str) -> bool:
    """Whether two versions are the same as far as both say."""
    return bool(has) and all(a == b for a, b in zip(wanted.split("."), has.split("."), strict=False))


def _base_has(spec: ImageSpec, name: str, wanted: str, has: str) -> bool:
    if has and not _agree(wanted, has):
        raise LockError(
            f"the base image of {spec.name!r} has {'CUDA' if name == 'cuda' else 'cuDNN'} {has}, and {name}={wanted!r} asks for another",
            code="IW204",
            fix=[f'{name}="{has}"', "or name another base image, or none: then the libraries are NVIDIA's wheels"],
            where=spec.where_of(name),
        )
    return bool(has)


def _is_locked(spec: ImageSpec) -> bool:
    """Whether a file says all that is installed."""
    if spec.requirements is None:
        return False
    file = spec.directory / spec.requirements
    kind = kind_of(file)
    script = kind == SCRIPT and not spec.packages and file.with_name(f"{file.name}.lock").is_file()
    return kind in (*PROJECT_LOCKS, PYLOCK) or script
