"""Our named tuples are those of typing, but for what is compiled for them."""

from __future__ import annotations

import pickle
import typing

from convtool import tuples


class Ours(tuples.NamedTuple):
    """A docstring."""

    first: int
    second: tuple[str, ...] = ("a",)
    """Of a field."""

    @property
    def both(self) -> str:
        """A property."""
        return f"{self.first}{self.second}"

    @staticmethod
    def made() -> Ours:
        return Ours(1)

    def __str__(self) -> str:
        return "ours"


class Theirs(typing.NamedTuple):
    """A docstring."""

    first: int
    second: tuple[str, ...] = ("a",)


def test_they_behave_alike() -> None:
    ours, theirs = Ours(3), Theirs(3)
    assert tuple(ours) == tuple(theirs) == (3, ("a",))
    assert hash(ours) == hash(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (Ours._fields, Ours._field_defaults) == (Theirs._fields, Theirs._field_defaults)
    assert ours._replace(first=4) == Ours(second=("a",), first=4)
    assert ours._asdict() == theirs._asdict()
    assert (Ours.__doc__, Ours.__module__, Ours.__qualname__) == (Theirs.__doc__, __name__, "Ours")
    assert pickle.loads(pickle.dumps(ours)) == ours


def test_methods_are_there() -> None:
    assert (str(Ours.made()), Ours(1).both) == ("ours", "1('a',)")
    assert Ours.__mro__ == (Ours, tuple, object)
