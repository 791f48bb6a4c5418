"""What is measured: fixed pins, the same for both sides."""

from dataclasses import dataclass

PYTHON = "3.11"
SOURCE_FOLDER = "source"  # what W3 copies into the image
SOURCE_FILES = 20

_W1 = (
    "numpy==1.26.4",
    "pandas==2.3.3",
    "scikit-learn==1.7.2",
    "pyarrow==22.0.0",
    # what those need, pinned as well: figures of two days stay comparable
    "scipy==1.17.1",
    "joblib==1.5.2",
    "threadpoolctl==3.6.0",
    "python-dateutil==2.9.0.post0",
    "pytz==2025.2",
    "tzdata==2025.2",
    "six==1.17.0",
)
_W4 = ("git", "build-essential")
_W5 = (
    "torch==2.13.0",
    "filelock==3.20.0",
    "fsspec==2025.10.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.3",
    "mpmath==1.3.0",
    "networkx==3.5",
    "sympy==1.14.0",
    "typing-extensions==4.15.0",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing that people do. ``after`` names the workload whose image was built before it ("" is the base alone)."""

    name: str
    title: str
    packages: tuple[str, ...]
    target: float
    after: str = ""
    copies_source: bool = False
    local_wheels: bool = False  # its wheels come from pip's find-links of this machine
    debian: tuple[str, ...] = ()
    empty: bool = False  # no cache at all: a new machine, beside a registry that has the layers

    @property
    def is_new(self) -> bool:
        """Whether all of its wheels become layers: then there is a least that has to be done for them."""
        return bool(self.packages) and not self.after

    def fields(self) -> dict[str, object]:
        """The fields of the ImageSpec, in the words that flytekit's and ours share."""
        fields: dict[str, object] = {"packages": list(self.packages)}
        if self.debian:
            fields["apt_packages"] = list(self.debian)
        if self.copies_source:
            fields["copy"] = [SOURCE_FOLDER]
        if self.empty:
            fields["env"] = {"VARIANT": "W6"}
        return fields


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "numpy, pandas, scikit-learn, pyarrow; wheels downloaded before, no layer there", _W1, 12),
        Workload("W2", "W1 and one small package more, after W1", (*_W1, "tqdm==4.67.1"), 25, after="W1"),
        Workload("W3", "one of 20 source files changed, packages of W1", _W1, 3, after="W3", copies_source=True),
        Workload("W4", "git, build-essential; packages downloaded before, no layer there", (), 3, debian=_W4),
        Workload("W5", "torch 2.13.0 for CPUs; wheel downloaded before, no layer there", _W5, 15, local_wheels=True),
        Workload("W6", "W1 as another image, on a machine with empty caches", _W1, 50, after="W1", empty=True),
    )
}


def source_file(number: int, version: str) -> str:
    """The text of one of W3's files: some lines of Python, and the version."""
    lines = "".join(f"def step_{line}(x: float) -> float:\n    return x * {number} + {line}\n\n" for line in range(40))
    return f'VERSION = "{version}"\n\n{lines}'
