"""Which feature maps a run gives: kernels, merging and ranges, before any picture is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from convtool.definitions import fold
from convtool.errors import KernelError, UsageError
from convtool.geometry import Padding, Pair
from convtool.kernel import Kernel, KernelSet
from convtool.options import Range

CLIP = Range("clip")


class Settings(NamedTuple):
    """What is to be computed, apart from the kernels; the defaults of the command line and of ``apply``."""

    stride: Pair = (1, 1)
    padding: Padding = "same"
    border: tuple[str, float] | None = None
    """(mode, constant); None is reflect for same padding, zeros otherwise."""
    dilation: Pair = (1, 1)
    channels: str | None = None
    """None is sum for a kernel with depth, each otherwise."""
    flip: bool = False
    bias: float | None = None
    """Replaces the kernel's own."""
    merge: str | None = None
    range: Range | None = None
    """None is the kernel's own, else clip."""
    dtype: str | None = None
    """None is the input's."""
    alpha: str = "weighted"

    @property
    def edge(self) -> tuple[str, float]:
        """The border in force: (mode, constant)."""
        if self.border is not None:
            return self.border
        return ("reflect" if self.padding == "same" else "zeros"), 0.0


class MapSpec(NamedTuple):
    """One feature map to be made: one kernel, or several joined by ``merge``."""

    label: str
    kernel: str
    """Label of the kernel set it came from."""
    members: tuple[Kernel, ...]
    merge: str | None
    range: Range


def list_maps(sets: Sequence[KernelSet], settings: Settings) -> list[MapSpec]:
    """The maps of a run in order; raises UsageError or KernelError for options that do not fit the kernels."""
    sets = [_with_settings(found, settings) for found in sets]
    if settings.merge is None:
        maps = [
            MapSpec(kernel.label, found.label, (kernel,), None, settings.range or kernel.range or CLIP)
            for found in sets
            for kernel in found.kernels
        ]
    else:
        maps = _merged(sets, settings)
    seen: set[str] = set()
    for each in maps:
        if fold(each.label) in seen:
            raise KernelError(f"the kernel {each.label} is given twice")
        seen.add(fold(each.label))
    return maps


def _with_settings(found: KernelSet, settings: Settings) -> KernelSet:
    kernels = []
    for kernel in found.kernels:
        if kernel.depth is not None and settings.channels not in (None, "sum"):
            raise UsageError(
                f"{kernel.label} spans {kernel.depth} channels and adds them up; --channels {settings.channels} does"
                " not go with it"
            )
        changed = kernel.flipped() if settings.flip else kernel
        kernels.append(changed if settings.bias is None else replace(changed, bias=settings.bias))
    return replace(found, kernels=tuple(kernels))


def _merged(sets: Sequence[KernelSet], settings: Settings) -> list[MapSpec]:
    several = any(len(found.kernels) > 1 for found in sets)
    if not several:
        if len(sets) == 1:
            raise UsageError(f"--merge joins several maps, and {sets[0].label} gives one")
        kernels = tuple(found.kernels[0] for found in sets)
        return [_joined("merged", "merged", kernels, settings)]
    return [
        _joined(found.label, found.label, found.kernels, settings)
        if len(found.kernels) > 1
        else MapSpec(found.label, found.label, found.kernels, None, settings.range or found.kernels[0].range or CLIP)
        for found in sets
    ]


def _joined(label: str, kernel: str, members: tuple[Kernel, ...], settings: Settings) -> MapSpec:
    own = {member.range or CLIP for member in members}
    agreed = own.pop() if len(own) == 1 and settings.merge != "magnitude" else CLIP
    return MapSpec(label, kernel, members, settings.merge, settings.range or agreed)
