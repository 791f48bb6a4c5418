"""Three tasks in two images, one of them with Python 3.9: a table goes from one to the other, and both can read it."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pandas as pd

from imagewright import ImageSpec, task, workflow

tables = ImageSpec(name="tables", python_version="3.9", packages=["numpy==1.26.4", "pandas==1.5.3"])
models = ImageSpec(name="models", python_version="3.11", packages=["pandas==2.2.3", "scikit-learn==1.5.2"])

if models.is_container():
    from sklearn.linear_model import LinearRegression


class Fit(NamedTuple):
    """A line, and the Python that found it."""

    slope: float
    intercept: float
    python: str


@task(container_image=tables)
def measure(n: int) -> pd.DataFrame:
    x = pd.Series(range(n), dtype="float64")
    table = pd.DataFrame({"x": x, "y": 3 * x + 2})
    table["when"] = pd.date_range("2026-01-01", periods=n, freq="D")
    return table


@task(container_image=models)
def fit(table: pd.DataFrame) -> Fit:
    model = LinearRegression().fit(table[["x"]], table["y"])
    return Fit(float(model.coef_[0]), float(model.intercept_), f"{sys.version_info[0]}.{sys.version_info[1]}")


@task(container_image=tables, memory="512Mi")
def report(table: pd.DataFrame, found: Fit) -> str:
    until = table["when"].max().date()
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    line = f"y = {found.slope:.1f} x + {found.intercept:.1f}"
    return f"{line} over {len(table)} days until {until}, fitted by Python {found.python}, reported by Python {here}"


@workflow
def main(n: int = 10) -> str:
    table = measure(n=n)
    return report(table=table, found=fit(table=table))
