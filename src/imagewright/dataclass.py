"""``dataclass``, as the standard library's, made in a fifth of the time: a command defines over a hundred of them.

Until Python 3.13 the standard library compiles each method of each class when a module is imported. Here only
``__init__`` is, once for all classes with as many fields of the same kinds; the other methods are the same functions for
every class. See docs/decisions/0200-dataclasses.md.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import operator
    from functools import cache
    from types import FunctionType

    _set = object.__setattr__
    _MISSING = dataclasses.MISSING
    _ORDER = ("__lt__", "__le__", "__gt__", "__ge__")

    def dataclass(cls=None, /, *, frozen=False, slots=False, order=False):
        """`dataclasses.dataclass` with its defaults; of its options these, and no dataclass among the bases."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, slots=slots, order=order)
        if any(hasattr(base, "__dataclass_fields__") for base in cls.__bases__):
            raise TypeError(f"{cls.__name__} derives from a dataclass: use the standard library's")
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else its signature is found out, which takes as long as all the rest
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        fields = cls.__dataclass_fields__.values()
        if any(field._field_type is dataclasses._FIELD_INITVAR for field in fields):
            raise TypeError(f"{cls.__name__} has fields for __init__ alone: use the standard library's")
        params = cls.__dataclass_params__
        params.init = params.repr = params.eq = True
        params.frozen, params.order = frozen, order
        fields = dataclasses.fields(cls)
        added = {"__init__": _init(cls, fields, frozen), "__repr__": _repr(fields)}
        added.update(_comparisons([field.name for field in fields if field.compare], frozen, order))
        if frozen:
            added.update(__setattr__=_refuse_set, __delattr__=_refuse_delete)
        for name, method in added.items():
            if name not in cls.__dict__ or (name == "__hash__" and cls.__dict__[name] is None):
                setattr(cls, name, method)
        return _slotted(cls, [field.name for field in fields], frozen) if slots else cls

    def _init(cls, fields, frozen):
        names, defaults = {"_set": _set, "_made": object()}, []
        kinds, real = [], {}
        for field in fields:
            name, made, has_default = field.name, field.default_factory is not _MISSING, field.default is not _MISSING
            if not (field.init or made or has_default):
                continue
            placeholder = f"f{len(kinds)}"
            real[placeholder] = name
            if made:
                names[f"_make_{placeholder}"] = field.default_factory
            elif not field.init:
                names[f"_default_{placeholder}"] = field.default
            if field.init and (made or has_default):
                defaults.append(names["_made"] if made else field.default)
            elif field.init and defaults:
                raise TypeError(f"non-default argument {name!r} follows default argument")
            kinds.append((field.init, made))
        code = _code(tuple(kinds), frozen, hasattr(cls, "__post_init__"))
        varnames, used, consts = (
            tuple([real.get(name, name) for name in part]) for part in (code.co_varnames, code.co_names, code.co_consts)
        )
        code = code.replace(co_varnames=varnames, co_names=used, co_consts=consts)
        init = FunctionType(code, names, "__init__", tuple(defaults))
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
        return init

    @cache
    def _code(kinds, frozen, is_checked):
        """Of an ``__init__`` for fields f0, f1, ... of these kinds: compiling it takes ten times as long as naming them."""
        arguments, body = ["self"], []
        for number, (given, made) in enumerate(kinds):
            name = f"f{number}"
            value = f"_make_{name}()" if made else f"_default_{name}"
            if given:
                arguments.append(name)
                value = f"{value} if {name} is _made else {name}" if made else name
            body.append(f" _set(self,{name!r},{value})" if frozen else f" self.{name}={value}")
        if is_checked:
            body.append(" self.__post_init__()")
        namespace = {}
        exec(f"def __init__({','.join(arguments)}):\n" + ("\n".join(body) or " pass"), namespace)
        return namespace["__init__"].__code__

    def _repr(fields):
        shown = [field.name for field in fields if field.repr]

        def __repr__(self):
            return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        return __repr__

    def _comparisons(names, frozen, order):
        if len(names) == 1:
            one = operator.attrgetter(names[0])

            def compared(self):
                return (one(self),)
        else:
            compared = operator.attrgetter(*names) if names else lambda self: ()

        def __eq__(self, other):
            return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self):
            return hash(compared(self))

        added = {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}
        if order:
            added.update((name, _ordering(getattr(operator, name), compared)) for name in _ORDER)
        return added

    def _ordering(compare, compared):
        def method(self, other):
            return compare(compared(self), compared(other)) if other.__class__ is self.__class__ else NotImplemented

        return method

    def _refuse_set(self, name, value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _slotted(cls, names, frozen):
        """The class once more, with slots: they can only be given when a class is made."""
        namespace = {
            name: value for name, value in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")
        }
        namespace["__slots__"] = tuple(names)
        slotted = type(cls)(cls.__name__, cls.__bases__, namespace)
        slotted.__qualname__ = cls.__qualname__
        if frozen:  # what is pickled or copied goes past the refusal
            slotted.__getstate__ = lambda self: [getattr(self, name) for name in names]
            slotted.__setstate__ = _set_state
        return slotted

    def _set_state(self, state):
        for field, value in zip(dataclasses.fields(self), state):
            _set(self, field.name, value)
