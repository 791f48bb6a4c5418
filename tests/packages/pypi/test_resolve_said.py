"""The facts in uv's sentences."""

from imagewright.packages.pypi.resolve_said import Term, read_said


def test_a_conflict() -> None:
    """Who needs what, with extras and markers taken out, and what was asked for."""
    said = read_said(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because pandas[x]==2.2.0 depends on numpy{python_full_version < '3.12'}>=1.23.2,<2 and you require "
        "pandas==2.2.0, we can conclude that you require numpy>=1.23.2,<2.\n"
        "         And because you require numpy<1.20, we can conclude that your requirements are unsatisfiable.\n"
    )

    assert said.needs == ((Term("pandas", "==2.2.0"), Term("numpy", ">=1.23.2,<2")),)
    assert said.required == (Term("pandas", "==2.2.0"), Term("numpy", ">=1.23.2,<2"), Term("numpy", "<1.20"))


def test_several_needs_in_one_sentence() -> None:
    """ "all versions of" is any version; "and all versions of" begins another fact."""
    said = read_said(
        "  cause: Because all versions of a depend on dep<2 and x>1 and all versions of b depend on dep>=2, we can ..."
    )

    assert said.needs == (
        (Term("a", ""), Term("dep", "<2")),
        (Term("a", ""), Term("x", ">1")),
        (Term("b", ""), Term("dep", ">=2")),
    )


def test_hints_are_apart() -> None:
    """A hint may be several lines; passwords are not in it."""
    said = read_said(
        "error: No solution\n  cause: Because demo was not found in the package registry\n\n"
        "hint: An index (https://me:word@example.com/simple/)\n      refused\nhint: two\n"
    )

    assert said.missing == ("demo",)
    assert said.hints == ("An index (https://***@example.com/simple/) refused", "two")


def test_python_is_no_package() -> None:
    """A need of a Python version is a fact of its own."""
    said = read_said(
        "Because the requested Python version (>=3.11.0) does not satisfy Python>=3.13 and new==1 depends on "
        "Python>=3.13, we can conclude that new==1 cannot be used.\nAnd because only new==1 is available and you require"
    )

    assert said.python == ((Term("new", "==1"), ">=3.13"),)
    assert said.needs == ()
    assert said.available == (Term("new", "==1"),)


def test_terms_as_text() -> None:
    """An exact version reads as a version, anything else as a specifier."""
    assert str(Term("numpy", "==1.26.4")) == "numpy 1.26.4"
    assert str(Term("numpy", ">=1,<2")) == "numpy >=1,<2"
    assert str(Term("numpy", "")) == "numpy"
    assert Term("numpy", "==1").wanted == "numpy ==1"
