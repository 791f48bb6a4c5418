"""Packages that share a folder by an ``__init__.py`` each: whether two of these say the same."""

import ast

_LARGEST = 1 << 16


def declaration(path: str, data: bytes) -> str | None:
    """What an ``__init__.py`` does, without comments and docstring, when it declares a namespace and nothing more; else None.

    Source: Packaging User Guide, "pkgutil-style" and "pkg_resources-style namespace packages": every distribution has
    that file, all must do the same, and the installer takes any of them.
    """
    if not path.endswith("/__init__.py") or len(data) > _LARGEST:
        return None
    try:
        body = ast.parse(data).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    text = "\n".join(ast.unparse(statement) for statement in body)
    return text if text in _DECLARATIONS else None


_DECLARATIONS = frozenset(
    {
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "__import__('pkg_resources').declare_namespace(__name__)",
    }
)
