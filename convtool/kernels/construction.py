"""One definition made into kernels: weights, scale, normalisation, rotations, labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from convtool.errors import KernelError
from convtool.kernels.definitions import Definition
from convtool.kernels.kernel import Kernel, KernelSet, common_denominator, exact_kernel, make_kernel
from convtool.kernels.spec import ARRAY_SUFFIXES, Spec, parse_spec


def numbered(specs: Sequence[Spec], sets: Sequence[KernelSet]) -> list[KernelSet]:
    """Several inline kernels become inline-1, inline-2 ..."""
    inline = [at for at, spec in enumerate(specs) if spec.inline is not None]
    numbers = {at: number for number, at in enumerate(inline, 1)} if len(inline) > 1 else {}
    return [
        _relabelled(found, "inline", f"inline-{numbers[at]}") if at in numbers else found
        for at, found in enumerate(sets)
    ]


def quoted(spec: Spec) -> str:
    """A spec as messages show it."""
    return repr(spec.text if len(spec.text) <= 60 else spec.text[:57] + "...")


def single(definition: Definition, spec: Spec) -> KernelSet:
    """The kernel of a definition with weights or a generator, or its rotations."""
    facts: dict[str, object] = {
        "bias": definition.bias,
        "range": definition.range,
        "summary": definition.summary,
        "source": definition.source,
    }
    label = "-".join((definition.name, *spec.typed))
    if definition.generator:
        from convtool.kernels.generators import generate  # most runs need no formula

        made = generate(definition.generator, {**definition.parameters, **spec.parameters})
        as_made = definition.scale == 1 and not definition.normalise
        if as_made and made.integers is not None:
            kernel = Kernel(label, made.weights, made.integers, made.scale, **facts)  # type: ignore[arg-type]
        elif made.integers is not None and made.scale is not None:
            values = [int(v) * made.scale for v in made.integers.ravel()]
            kernel = _finished(definition, values, made.integers.shape, label, facts)
        else:
            weights = made.weights * float(definition.scale)
            if definition.normalise:
                total = float(weights.sum())
                _check_sum(definition, total, float(np.abs(weights).sum()))
                weights = weights / total
            kernel = make_kernel(label, weights, **facts)
    else:
        kernel = _finished(definition, list(definition.weights), definition.shape, label, facts)
    if definition.rotations == 1:
        return KernelSet(label, (kernel,), definition.summary)
    step = 360 // definition.rotations
    try:
        maps = [replace(kernel.turned(angle), label=f"{label}-{angle}") for angle in range(0, 360, step)]
    except KernelError as error:
        raise KernelError(f"{definition.at('rotations')}: {str(error).partition(': ')[2]}") from None
    return KernelSet(label, tuple(maps), definition.summary)


def _finished(
    definition: Definition, values: list[Fraction], shape: tuple[int, ...], label: str, facts: dict[str, object]
) -> Kernel:
    values = [value * definition.scale for value in values]
    if definition.normalise:
        # An exact sum of thousands of unlike fractions would never end.
        exact = common_denominator(values, 1 << 256) is not None
        total = sum(values, Fraction(0)) if exact else Fraction(math.fsum(map(float, values)))
        _check_sum(definition, float(total), math.fsum(abs(float(value)) for value in values))
        values = [value / total for value in values]
    return exact_kernel(label, values, shape, **facts)


def _check_sum(definition: Definition, total: float, size: float) -> None:
    if abs(total) <= 1e-9 * size:
        raise KernelError(
            f"{definition.at('normalise')}: the weights add up to {total:g}, and nothing can be divided by that"
        )


def bank(path: Path, name: str) -> KernelSet:
    """The kernels of an array file, one for each filter."""
    from convtool.kernels.weight_files import read_bank  # brings zipfile, which a run seldom needs

    label, weights = read_bank(path, name)
    digits = max(2, len(str(len(weights) - 1)))
    labels = [label] if len(weights) == 1 else [f"{label}-{at:0{digits}}" for at in range(len(weights))]
    kernels = [
        make_kernel(label, part, summary=f"From {path.name}") for label, part in zip(labels, weights, strict=True)
    ]
    return KernelSet(label, tuple(kernels), f"Weights from {path.name}")


def with_biases(sets: Sequence[KernelSet], text: str) -> list[KernelSet]:
    """Sets whose kernels take their biases, in order, from an array ``FILE`` or ``FILE#NAME``; raises KernelError."""
    from convtool.kernels.weight_files import read_biases

    spec = parse_spec(text)
    if not spec.file.lower().endswith(ARRAY_SUFFIXES) or spec.angle is not None:
        raise KernelError(f"biases {quoted(spec)}: are read from {', '.join(ARRAY_SUFFIXES)}, as in weights.npz#bias")
    biases = read_biases(Path(spec.file), spec.name)
    count = sum(len(found.kernels) for found in sets)
    if len(biases) != count:
        raise KernelError(f"biases {quoted(spec)}: {len(biases)} of them, and the layer has {count} kernels")
    numbers = iter(biases.tolist())
    return [
        replace(found, kernels=tuple(replace(kernel, bias=next(numbers)) for kernel in found.kernels)) for found in sets
    ]


def turned(found: KernelSet, spec: Spec, generator: str) -> KernelSet:
    """A set with the angle of its spec; raises KernelError that names the generator's own angle, if it has one."""
    if spec.angle is None:
        return found
    try:
        rotated = [kernel.turned(spec.angle) for kernel in found.kernels]
    except KernelError as error:
        from convtool.kernels.generators import GENERATORS

        names = [p.name for p in GENERATORS[generator].parameters] if generator in GENERATORS else []
        own = next((name for name in names if name in ("angle", "theta")), None)
        hint = f"; {generator} has its own: {generator}:{own}={spec.angle}" if own else ""
        raise KernelError(f"kernel {quoted(spec)}: {error}{hint}") from None
    ending = f"-turn{spec.angle}"
    kernels = tuple(replace(kernel, label=kernel.label + ending) for kernel in rotated)
    return KernelSet(found.label + ending, kernels, found.summary)


def _relabelled(found: KernelSet, old: str, new: str) -> KernelSet:
    def renamed(label: str) -> str:
        return new + label.removeprefix(old)

    kernels: Iterable[Kernel] = (replace(kernel, label=renamed(kernel.label)) for kernel in found.kernels)
    return KernelSet(renamed(found.label), tuple(kernels), found.summary)
