"""The compiled core refuses what it cannot trust, and never falls: whatever is in a call, it is an error or a sum."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convtool.engine import core
from tests.support import golden
from tests.support.core_calls import CORE, WIDTHS, Recorder
from tests.support.wrong_calls import (
    BUFFERS,
    NUMBERS,
    REALS,
    Arguments,
    argument,
    base_calls,
    copied,
    edges_are_whole,
    in_room,
    mutated,
    outcome,
    replaced,
    with_entry,
    with_number,
)

pytestmark = pytest.mark.skipif(CORE is None, reason="no compiled core")

Array = NDArray[Any]
FAR = 2**31
"""One more than a length can be."""


# Calls that are wrong somewhere ---------------------------------------------------------------------------------------


def harmless(arguments: Arguments) -> None:
    """Make a call. Nothing may be written but the output, and nothing beyond it."""
    out = argument(arguments, "out")
    read = [each for each in arguments[1:-1] if isinstance(each, np.ndarray) and not np.may_share_memory(each, out)]
    before = [each.tobytes() for each in read]
    outcome(arguments)
    assert edges_are_whole(arguments)
    assert [each.tobytes() for each in read] == before


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    max_examples=400,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.integers(0, 999), st.randoms(use_true_random=False))
def test_wrong_calls_are_refused_or_harmless(base: int, random: Random) -> None:
    harmless(mutated(base_calls()[base % len(base_calls())], random))


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_wrong_calls_are_refused_or_harmless(seed: int) -> None:
    random = Random(seed)
    for _ in range(20_000):
        harmless(mutated(random.choice(base_calls()), random))


def test_right_calls_give_the_same_bytes_again() -> None:
    """What is made wrong is right before."""
    for base in base_calls():
        arguments = copied(base)
        assert isinstance(outcome(arguments), int)
        np.testing.assert_array_equal(argument(arguments, "out"), argument(base, "out"))


# Each refusal by itself -----------------------------------------------------------------------------------------------


def call(kernel: str = "3x3", dtype: str = "uint8", finish: str = "single 8", method: str = "taps") -> Arguments:
    """A right call."""
    weights = golden.KERNELS[kernel]
    shape = (5, 6, weights.shape[1] if weights.ndim == 4 else 3)
    recorder = Recorder(keep=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "_core", recorder)
        patch.setattr(core, "width", lambda: 0)
        golden.result(golden.Case(kernel, method, dtype, "constant", (1, 1), (1, 1), "same", shape, "plain", finish))
    return (0, *recorder.calls[0].arguments)


WHOLE = "3x3 whole"


def changed(name: str, change: Callable[[Array], Any], **options: str) -> Callable[[], Arguments]:
    """A right call with one argument changed."""

    def make() -> Arguments:
        arguments = call(**options)
        return replaced(arguments, name, change(argument(arguments, name)))

    return make


def number(name: str, value: int, **options: str) -> Callable[[], Arguments]:
    return lambda: with_number(call(**options), name, value)


def entry(name: str, at: int, value: float, **options: str) -> Callable[[], Arguments]:
    return lambda: with_entry(call(**options), name, at, value)


def real(name: str, value: float, **options: str) -> Callable[[], Arguments]:
    return entry("reals", REALS.index(name), value, **options)


def spread(*shape: int) -> Callable[[Array], Array]:
    """One sample that stands for as many as one likes."""
    return lambda array: np.lib.stride_tricks.as_strided(array, shape, (0,) * len(shape))


def askew(array: Array) -> Array:
    """The same numbers at an address that no number of theirs may have."""
    room = np.zeros(array.nbytes + 1, dtype=np.uint8)[1:]
    room[...] = array.reshape(-1).view(np.uint8)
    return room.view(array.dtype).reshape(array.shape)


def with_gaps(array: Array) -> Array:
    return np.repeat(array, 2)[::2]


def one_more(array: Array) -> Array:
    return np.append(array, array[-1:])


def bank_of_whole_numbers() -> Arguments:
    arguments = call("3x3 whole")
    parts = argument(arguments, "parts").copy()
    parts[:4] = 2, 9, 0, 1
    return replaced(arguments, "parts", parts)


def far_too_many_filters() -> Arguments:
    arguments = call("bank of 4")
    parts = argument(arguments, "parts").copy()
    parts[1], parts[3] = 2**31 - 1, 2**31 - 1
    return replaced(arguments, "parts", parts)


WRONG: dict[str, Callable[[], Arguments]] = {
    "this machine has no such width of vectors": lambda: (len(WIDTHS), *call()[1:]),
    "image has another number of axes": changed("image", lambda a: a[0]),
    "rows has another number of axes": changed("rows", lambda a: a[None]),
    "out has another number of axes": changed("out", lambda a: a[..., None]),
    "image is not aligned": changed("image", askew, dtype="uint16"),
    "weights is not aligned": changed("weights", askew),
    "numbers is not aligned": changed("numbers", askew),
    "out is not aligned": changed("out", askew, finish="values"),
    "taps is not aligned": changed("taps", askew),
    "columns is not contiguous": changed("columns", with_gaps),
    "weights is not contiguous": changed("weights", with_gaps),
    "reals is not contiguous": changed("reals", lambda a: a[::-1]),
    "numbers is not of 64 bits": changed("numbers", lambda a: a.astype(np.int32)),
    "image has another type of samples": changed("image", lambda a: a.astype(np.float64)),
    "weights has another type of samples": changed("weights", lambda a: a.astype(">f4")),
    "out has another type of samples": changed("out", lambda a: a.astype(np.int8)),
    "rows has another type of numbers": changed("rows", lambda a: a.astype(np.float32)),
    "parts has another type of numbers": changed("parts", lambda a: a.astype(np.uint32)),
    "steps has another type of numbers": changed("steps", lambda a: a.astype(">i4")),
    "numbers has another type of numbers": changed("numbers", lambda a: a.astype(np.float64)),
    "reals has another type of numbers": changed("reals", lambda a: a.view(np.int64)),
    "numbers or reals are too few or too many": changed("reals", one_more),
    "a number is out of range": number("span", -1),
    "parts are four numbers each, steps three and taps two": changed("taps", one_more),
    "the image has no samples": changed("image", lambda a: a[:0]),
    "there is no such type of sums": number("ring", 3),
    "float samples are summed as float32": changed("image", lambda a: a.astype(np.float32), kernel=WHOLE),
    "a length is below 1": number("leaf", 0),
    "a length is too large": changed("out", spread(FAR, 1, 3)),
    "the padded rows are too few or too many for the windows": changed("rows", lambda a: a[:-1]),
    "there are more phases than columns": number("phases", 1000),
    "there are no columns, taps, parts or filters": changed("parts", lambda a: a[:0]),
    "the rows under a window are too large": changed("image", spread(5, 6, 2**50)),
    "the columns inside lie outside": number("start", 1),
    "a padded row comes from outside the image": entry("rows", 0, 5),
    "a padded column comes from outside the image": entry("columns", 0, -2),
    "the windows are wider than the padded rows": changed("out", spread(5, 9, 3)),
    "a tap lies outside the window": entry("taps", 1, 2**31 - 1),
    "there is no such part": entry("parts", 0, 3),
    "a part does not go with the others or with its taps": entry("parts", 3, 1),
    "banks and several terms are summed as float32": bank_of_whole_numbers,
    "there is no such step": entry("steps", 1, 4),
    "the steps of a part do not take its sources": entry("steps", 0, 1),
    "a bank is too large": far_too_many_filters,
    "the parts do not share out the steps, taps and weights": changed("weights", one_more),
    "the parts give another number of filters": changed("out", spread(5, 6, 3), kernel="bank of 4"),
    "the border does not fit the type of the sums": real("constant", 40_000, kernel=WHOLE),
    "there is no such arithmetic": number("arithmetic", 4),
    "sums as they are keep their type": number("arithmetic", 0),
    "whole numbers are finished as whole numbers that hold the full scale": number("arithmetic", 1),
    "what is added does not fit the type of the sums": real("add", 40_000, kernel=WHOLE, finish="integer 8"),
    "there is no such type of outputs": changed("out", lambda a: a.astype(np.int16)),
    "the full scale does not fit the outputs": number("full", 256),
    "a division by 0": real("divide", 0),
    "weights have the type of the sums": changed("weights", lambda a: a.astype(np.int32)),
    "out has another number of channels": changed("out", lambda a: a[..., :2]),
}
"""What the core says, and a call that it says it to."""


@pytest.mark.parametrize("message", WRONG)
def test_each_refusal(message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CORE.filter(*WRONG[message]())


def test_no_refusal_is_left_out() -> None:
    """All that core.c has to say is said in some test."""
    source = Path(core.__file__).with_name("core.c").read_text("utf-8")
    said = set(re.findall(r'(?:return|[?:]) "([a-z][a-z ,0-9]*)"', source[source.index("/* Checks") :]))
    assert len(said) > 30
    of_buffers = {text.split(" ", 1)[1] for text in WRONG if text.split(" ", 1)[0] in BUFFERS}
    assert said - set(WRONG) - of_buffers == set()


def test_an_item_of_no_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="image"):
        CORE.filter(*changed("image", lambda a: np.zeros(a.shape, dtype="V0"))())


def test_outputs_are_written_to_and_nothing_else_has_to_be() -> None:
    arguments = call()
    for name in BUFFERS[:-1]:
        argument(arguments, name).setflags(write=False)
    assert isinstance(outcome(arguments), int)
    argument(arguments, "out").setflags(write=False)
    with pytest.raises((ValueError, BufferError), match=r"read-?only"):
        CORE.filter(*arguments)


@pytest.mark.parametrize("wrong", [None, 3, "text", [1, 2], object()])
@pytest.mark.parametrize("name", BUFFERS)
def test_what_is_no_buffer_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(TypeError):
        CORE.filter(*replaced(call(), name, wrong))


def test_calls_of_another_length_are_refused() -> None:
    for arguments in ((), call()[:-1], (*call(), None)):
        with pytest.raises(TypeError, match="argument"):
            CORE.filter(*arguments)


def test_there_are_as_many_numbers_as_the_tests_believe() -> None:
    arguments = call()
    assert len(arguments) == 1 + len(BUFFERS)
    assert argument(arguments, "numbers").shape == (len(NUMBERS),)
    assert argument(arguments, "reals").shape == (len(REALS),)


# Many threads ---------------------------------------------------------------------------------------------------------


def test_threads_that_sum_at_the_same_time_get_the_same_bytes() -> None:
    """Of the same samples and taps, which they all read; without a lock where Python has none."""
    threads, rounds = 8, 6
    bases = [call(kernel, dtype) for kernel in golden.KERNELS for dtype in ("uint8", "float32")]
    bases += [call(kernel, "uint16", "values", "separable") for kernel in golden.SEPARABLE]
    together = Barrier(threads)

    def work(first: int) -> list[tuple[int, bytes]]:
        found = []
        together.wait(timeout=60)
        for at in range(rounds * len(bases)):
            base = bases[(at + first) % len(bases)]
            shape, dtype = argument(base, "out").shape, argument(base, "out").dtype
            out = in_room(shape, dtype)
            level = (at + first) % len(WIDTHS)
            lost = CORE.filter(level, *base[1:-1], out)
            found.append(((at + first) % len(bases), lost.to_bytes(8) + out.tobytes()))
        return found

    with ThreadPoolExecutor(threads) as pool:
        results = [pair for found in pool.map(work, range(threads)) for pair in found]
    for at, base in enumerate(bases):
        out = argument(base, "out")
        lost = CORE.filter(*base)
        assert {content for which, content in results if which == at} == {lost.to_bytes(8) + out.tobytes()}
