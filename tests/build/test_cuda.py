"""cuda and cudnn: which wheels are asked for, which are kept out, and what a container starts with."""

from pathlib import Path

import pytest

from imagewright.build.container_config import config_of
from imagewright.build.cuda import (
    CudaPackages,
    check_cuda,
    check_installed_cuda,
    cuda_env,
    cuda_packages,
    explain_cuda,
)
from imagewright.errors import LockError, SpecError
from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec

AMD64 = Platform("linux", "amd64")
TARGET = Target(AMD64, "3.11", "/usr/bin/python3.11", ("glibc", "2.36"))
SITE = "/opt/imagewright/lib/python3.11/site-packages/nvidia"
NVIDIAS = {"CUDA_VERSION": "12.4.1", "NV_CUDNN_VERSION": "9.1.0.70-1", "NVIDIA_VISIBLE_DEVICES": "all", "PATH": "/bin"}


def test_nothing_is_added_without_cuda() -> None:
    """Neither packages nor variables."""
    assert cuda_packages(ImageSpec(packages=["torch"]), {}) == CudaPackages()
    assert cuda_env(ImageSpec(), TARGET, {}) == {}


@pytest.mark.parametrize(
    ("cuda", "runtime", "kept_out"),
    [
        ("12.4", "nvidia-cuda-runtime-cu12==12.4.*", "nvidia-cuda-runtime<0"),
        ("12.4.1", "nvidia-cuda-runtime-cu12==12.4.*", "nvidia-cuda-runtime-cu11<0"),
        ("12", "nvidia-cuda-runtime-cu12==12.*", "nvidia-cuda-runtime<0"),
        ("11.8", "nvidia-cuda-runtime-cu11==11.8.*", "nvidia-cuda-runtime-cu12<0"),
        ("13.0", "nvidia-cuda-runtime==13.0.*", "nvidia-cuda-runtime-cu12<0"),
    ],
)
def test_the_runtime_is_asked_for_and_others_are_kept_out(cuda: str, runtime: str, kept_out: str) -> None:
    """The names of NVIDIA's wheels changed with CUDA 13, so that two runtimes could stand beside each other."""
    packages = cuda_packages(ImageSpec(cuda=cuda), {})

    assert packages.requirements == (runtime,)
    assert runtime in packages.constraints
    assert kept_out in packages.constraints
    assert sum(constraint.endswith("<0") for constraint in packages.constraints) == 2


@pytest.mark.parametrize(
    ("cudnn", "wheel"), [("9", "nvidia-cudnn-cu12==9.*"), ("9.1.0.70", "nvidia-cudnn-cu12==9.1.0.70")]
)
def test_cudnn_comes_as_a_wheel(cudnn: str, wheel: str) -> None:
    """For the CUDA that is asked for."""
    assert wheel in cuda_packages(ImageSpec(cuda="12.4", cudnn=cudnn), {}).requirements


def test_a_base_that_has_cuda_gets_no_second_one() -> None:
    """What is installed on it is still held to its version."""
    packages = cuda_packages(ImageSpec(cuda="12.4", cudnn="9"), NVIDIAS)

    assert packages.requirements == ()
    assert "nvidia-cuda-runtime-cu12==12.4.*" in packages.constraints


@pytest.mark.parametrize(("field", "fields"), [("cuda", {"cuda": "12.1"}), ("cudnn", {"cuda": "12.4", "cudnn": "8"})])
def test_a_base_with_another_version_is_an_error(field: str, fields: dict[str, str]) -> None:
    """It names both."""
    with pytest.raises(LockError, match=rf"and {field}='") as refused:
        cuda_packages(ImageSpec(**fields), NVIDIAS)  # type: ignore[arg-type]

    assert refused.value.code == "IW204"


@pytest.mark.parametrize(
    "fields", [{"cuda": "latest"}, {"cuda": "10.2"}, {"cudnn": "9"}, {"cuda": "12.4", "cudnn": "nine"}]
)
def test_what_is_no_version_is_refused(fields: dict[str, str]) -> None:
    """Before anything is asked; cuDNN alone does not say for which CUDA."""
    with pytest.raises(SpecError) as refused:
        check_cuda(ImageSpec(**fields))  # type: ignore[arg-type]

    assert refused.value.fix


def test_a_number_is_refused() -> None:
    """12.10 as a number is 12.1."""
    with pytest.raises(SpecError, match="is a number"):
        ImageSpec(cuda=12.1)  # type: ignore[arg-type]


def test_a_container_is_given_the_driver_and_finds_the_libraries() -> None:
    """What the user says of a variable comes last; what the base has stays."""
    spec = ImageSpec(cuda="12.4", cudnn="9", env={"NVIDIA_VISIBLE_DEVICES": "0"})

    env = config_of(spec, TARGET, ImageConfig(AMD64, {"PATH": "/bin"})).env

    assert env["NVIDIA_VISIBLE_DEVICES"] == "0"
    assert env["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert env["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.0"
    assert env["LD_LIBRARY_PATH"].startswith(f"{SITE}/cuda_runtime/lib:{SITE}/cudnn/lib:/usr/local/nvidia/lib")
    assert cuda_env(ImageSpec(cuda="13.0"), TARGET, {})["LD_LIBRARY_PATH"].startswith(f"{SITE}/cu13/lib:")


def test_a_base_with_cuda_keeps_its_variables() -> None:
    """Only what it does not say is added."""
    env = cuda_env(ImageSpec(cuda="12.4", cudnn="9"), TARGET, NVIDIAS)

    assert env.keys() == {"NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_REQUIRE_CUDA"}


def test_cudnn_on_a_base_with_cuda_alone_is_found() -> None:
    """The base's own folders stay."""
    base = {"CUDA_VERSION": "12.4.1", "LD_LIBRARY_PATH": "/usr/local/cuda/lib64"}

    env = cuda_env(ImageSpec(cuda="12.4", cudnn="9"), TARGET, base)

    assert env["LD_LIBRARY_PATH"] == f"{SITE}/cudnn/lib:/usr/local/cuda/lib64"


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ([("nvidia-cuda-runtime-cu12", "12.4.127")], ""),
        ([("nvidia-cuda-runtime-cu12", "12.1.105")], "has nvidia-cuda-runtime-cu12 12.1.105, and cuda='12.4'"),
        ([], "has no nvidia-cuda-runtime-cu12, and cuda='12.4'"),
    ],
)
def test_a_lock_has_to_have_it(tmp_path: Path, installed: list[tuple[str, str]], said: str) -> None:
    """Nothing is added to a lock, so one without CUDA is an error and not an image without."""
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")
    spec = ImageSpec(requirements="uv.lock", cuda="12.4", directory=tmp_path)

    assert cuda_packages(spec, {}).requirements == ()
    if not said:
        check_installed_cuda(spec, {}, installed)
        return
    with pytest.raises(LockError) as refused:
        check_installed_cuda(spec, {}, installed)
    assert said in refused.value.what
    check_installed_cuda(spec, NVIDIAS, installed)  # the base has it


@pytest.mark.parametrize(
    ("version", "others", "fine"),
    [
        ("2.6.0", ["nvidia-nccl-cu12"], True),
        ("2.6.0+cu124", [], True),
        ("2.13.0+cpu", ["nvidia-cudnn-cu12"], False),
        ("2.10.0", [], False),
    ],
)
def test_a_torch_without_cuda_is_an_error(version: str, others: list[str], fine: bool) -> None:
    """Its wheels with and without have one name: a resolver that avoids one CUDA may take the one without."""
    installed = [("torch", version), *((name, "1") for name in others)]

    if fine:
        check_installed_cuda(ImageSpec(cuda="12.4"), {}, installed)
        return
    with pytest.raises(LockError, match="is made without CUDA"):
        check_installed_cuda(ImageSpec(cuda="12.4"), {}, installed)
    check_installed_cuda(ImageSpec(), {}, installed)


def test_an_error_of_the_resolver_names_the_field() -> None:
    """The wheels' names are not the user's words."""
    error = LockError("do not fit", why="app.py:2 asks for nvidia-cuda-runtime-cu11 ==11.2.*")

    explain_cuda(error, ImageSpec(cuda="11.2"))

    assert error.why[-1] == "cuda='11.2' asks for NVIDIA's wheels of it"
