"""Kernels that follow from a few numbers: which there are, what they take, and the numbers checked.

The arithmetic itself is in ``formulas``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from numbers import Real
from types import MappingProxyType

from convtool.errors import KernelError
from convtool.kernels import formulas
from convtool.kernels.formula_parts import EXACT_BELOW, LIMIT, MAX_SIDE, Generated, Number, Values, plain
from convtool.tuples import NamedTuple

__all__ = [
    "EXACT_BELOW",
    "GENERATORS",
    "MAX_SIDE",
    "Generated",
    "Generator",
    "Number",
    "Parameter",
    "Values",
    "generate",
]


class Parameter(NamedTuple):
    """One number a generator takes, with the inclusive range it must lie in."""

    name: str
    default: float | None
    minimum: float
    maximum: float
    integer: bool
    meaning: str


class Generator(NamedTuple):
    """A named way to make a kernel; ``make`` expects values that ``generate`` has checked."""

    name: str
    parameters: tuple[Parameter, ...]
    make: Callable[[Values], Generated]


def generate(name: str, values: Values) -> Generated:
    """Check the values of a generator's parameters and make its kernel.

    ``generate("box", {"size": 5}).weights`` has shape (5, 5) and 25 equal weights.

    Args:
        name: a key of ``GENERATORS``.
        values: parameter name to number; what is missing takes its default or follows from the others.

    Returns:
        The weights, float64 (kh, kw), with integers and scale where they are exact.

    Raises:
        KernelError: an unknown name, a value that is not finite, whole or in range, or a kernel too large.
    """
    generator = GENERATORS.get(name)
    if generator is None:
        raise KernelError(f"there is no generator {name!r}{_hint(name, GENERATORS)}")
    defaults = {p.name: p.default for p in generator.parameters if p.default is not None}
    checked = {key: check_parameter(name, key, value) for key, value in values.items()}
    return generator.make({**defaults, **checked})


def check_parameter(name: str, key: str, value: Number) -> Number:
    """The value of one parameter of a known generator, as int, Fraction or float; raises KernelError if it is wrong."""
    known = {parameter.name: parameter for parameter in GENERATORS[name].parameters}
    if key not in known:
        raise KernelError(f"{name} has no parameter {key!r}{_hint(key, known)}")
    return _check(name, known[key], value)


def _hint(word: str, known: Iterable[str]) -> str:
    import difflib  # only a mistyped word needs it

    names = list(known)
    close = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there is: {', '.join(names)}"


def _check(generator: str, parameter: Parameter, value: Number) -> Number:
    """Return the value as int, Fraction or float, or say what it should have been."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    good = number and (isinstance(value, Fraction | int) or math.isfinite(value))
    # As they are written: 1/10 is not below a limit of 0.1.
    low, high = Fraction(str(parameter.minimum)), Fraction(str(parameter.maximum))
    good = good and (low <= value <= high or parameter.minimum <= value <= parameter.maximum)
    if good and parameter.integer:
        good = value == int(value)
    if not good:
        kind = "a whole number" if parameter.integer else "a number"
        too_large = parameter.name == "size" and number and value > MAX_SIDE
        limit = f"; {LIMIT}" if too_large else ""
        raise KernelError(
            f"{generator}: {parameter.name} ({parameter.meaning}) must be {kind} from {parameter.minimum:g}"
            f" to {parameter.maximum:g}, not {plain(value)}{limit}"
        )
    if parameter.integer:
        return int(value)
    return value if isinstance(value, Fraction | int) else float(value)


def _size(default: float | None) -> Parameter:
    return Parameter("size", default, 1, MAX_SIDE, True, "side in pixels")


def _sigma(default: float | None, name: str = "sigma") -> Parameter:
    return Parameter(name, default, 0.1, 10_000.0, False, "standard deviation in pixels")


def _amount(default: float) -> Parameter:
    return Parameter("amount", default, 0.0, 1_000.0, False, "strength, 0 changes nothing")


def _angle(name: str, meaning: str) -> Parameter:
    return Parameter(name, 0.0, -360.0, 360.0, False, meaning)


_COUNTER_CLOCKWISE = "degrees counter-clockwise, 0 to the right"

_ALL = (
    Generator("box", (_size(3),), formulas.box),
    Generator("gaussian", (_sigma(1.0), _size(None)), formulas.gaussian),
    Generator("binomial", (_size(5),), formulas.binomial),
    Generator("pyramid", (_size(5),), formulas.pyramid),
    Generator("disk", (Parameter("radius", 3.0, 0.5, 511.5, False, "radius in pixels"),), formulas.disk),
    Generator(
        "motion",
        (
            Parameter("length", 9.0, 1.0, 1_500.0, False, "length in pixels"),
            _angle("angle", f"direction of the motion in {_COUNTER_CLOCKWISE}"),
        ),
        formulas.motion,
    ),
    Generator("unsharp", (_sigma(1.0), _amount(1.0)), formulas.unsharp),
    Generator("high-boost", (_amount(2.0),), formulas.high_boost),
    Generator("log", (_sigma(1.4),), formulas.log),
    Generator("dog", (_sigma(1.0, "sigma1"), _sigma(1.6, "sigma2")), formulas.dog),
    Generator(
        "gabor",
        (
            _angle("theta", f"direction across the stripes in {_COUNTER_CLOCKWISE}"),
            Parameter("wavelength", 6.0, 2.0, 10_000.0, False, "pixels from stripe to stripe"),
            _sigma(None),
            Parameter("gamma", 0.5, 0.01, 100.0, False, "width over length of the Gaussian, 1 is round"),
            _angle("phase", "shift of the wave in degrees"),
        ),
        formulas.gabor,
    ),
    Generator(
        "laws",
        tuple(
            Parameter(name, 0, 0, len(formulas.LAWS) - 1, True, f"pattern {where}: level, edge, spot, wave, ripple")
            for name, where in (("down", "of the columns"), ("along", "of the rows"))
        ),
        formulas.laws,
    ),
)

GENERATORS: Mapping[str, Generator] = MappingProxyType({generator.name: generator for generator in _ALL})
"""Every generator a kernel definition may name, in the order of the families."""
