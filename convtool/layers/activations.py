"""Activations: one row for each, in arrays, exactly, and as a program of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import exp, tanh
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.exact import Number, exact
from convtool.layers.options import Activation
from convtool.tuples import NamedTuple

Floats = NDArray[np.float32]


class Row(NamedTuple):
    """One activation; ``slope`` is that of leaky."""

    array: Callable[[Floats, float], Any]
    """Changes an array in place."""
    value: Callable[[Number, float], Number]
    """The same of a single value: without rounding, or in double precision."""
    program: str
    """The same of the variable {y} of a program that has NumPy as ``np``."""


def _sigmoid(y: Floats, _: float) -> None:
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and its reciprocal 0, as it should be
        np.negative(y, out=y)
        np.exp(y, out=y)
        y += 1
        np.reciprocal(y, out=y)


ACTIVATIONS = {
    "none": Row(lambda y, _: None, lambda y, _: y, "{y}"),
    "relu": Row(lambda y, _: np.clip(y, 0, None, out=y), lambda y, _: max(y, Fraction(0)), "np.maximum({y}, 0)"),
    "leaky": Row(
        lambda y, slope: np.multiply(y, np.float32(slope), out=y, where=y < 0),
        lambda y, slope: y if y > 0 else y * exact(slope),
        "np.where({y} < 0, {y} * {slope!r}, {y})",
    ),
    "abs": Row(lambda y, _: np.abs(y, out=y), lambda y, _: y if y > 0 else -y, "np.abs({y})"),
    "sigmoid": Row(
        _sigmoid,
        lambda y, _: exact(1 / (1 + exp(-float(y))) if float(y) > -700 else 0.0),
        "1 / (1 + np.exp(-{y}))",
    ),
    "tanh": Row(lambda y, _: np.tanh(y, out=y), lambda y, _: exact(tanh(float(y))), "np.tanh({y})"),
}


def activate(y: Floats, activation: Activation) -> None:
    """Put every value through an activation, in place. NaN stays NaN, as in torch."""
    ACTIVATIONS[activation.how].array(y, activation.slope)


def activated_value(y: Number, activation: Activation) -> Number:
    """A single value after an activation, without rounding where there is none in it."""
    return ACTIVATIONS[activation.how].value(y, activation.slope)


def activated_program(name: str, activation: Activation) -> str:
    """An expression of NumPy for a variable after an activation."""
    return ACTIVATIONS[activation.how].program.format(y=name, slope=activation.slope)
