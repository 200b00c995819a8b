"""``NamedTuple`` of typing for type checkers, and at run time one that is made in a third of the time.

typing compiles every annotation of a class, 0.1 ms a class, of which a run loads half a hundred. Nobody asks for them.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Made(type):
        """Makes a named tuple of a class body: fields, defaults, docstring and methods."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in fields and key not in ("__module__", "__annotations__"):
                    setattr(made, key, value)
            return made

    class _Asked:
        """What classes name as their base."""

        def __mro_entries__(self, _: tuple[object, ...]) -> tuple[type, ...]:
            return (_BASE,)

    _BASE = type.__new__(_Made, "NamedTuple", (), {})
    NamedTuple = _Asked()
