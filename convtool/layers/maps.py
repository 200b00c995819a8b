"""Which feature maps a run gives: kernels, merging and ranges, before any picture is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from convtool.errors import KernelError, UsageError
from convtool.kernels.definitions import fold
from convtool.kernels.kernel import MAX_MAPS, Kernel, KernelSet
from convtool.layers.settings import Settings
from convtool.tone.ranges import Range
from convtool.tuples import NamedTuple

CLIP = Range("clip")


class Part(NamedTuple):
    """One kernel at work in a layer.

    ``inputs`` are places in the list of maps of the layer before: one for a kernel without depth, which acts on
    that map by itself, all of them for a kernel with depth, which takes them as its channels. In the first layer it
    is empty: the kernel sees the picture. ``group`` is the group of channels that the kernel sees.
    """

    kernel: Kernel
    inputs: tuple[int, ...] = ()
    group: int = 0


class MapSpec(NamedTuple):
    """One feature map to be made: one kernel, or several joined by ``merge``."""

    label: str
    kernel: str
    """Label of the kernel set it came from."""
    parts: tuple[Part, ...]
    merge: str | None
    range: Range

    @property
    def members(self) -> tuple[Kernel, ...]:
        """The kernels."""
        return tuple(part.kernel for part in self.parts)


def list_maps(sets: Sequence[KernelSet], settings: Settings) -> list[MapSpec]:
    """The maps of one layer on a picture; raises UsageError or KernelError for options that do not fit the kernels."""
    return layer_maps(sets, settings)


def layer_maps(
    sets: Sequence[KernelSet], settings: Settings, before: Sequence[MapSpec] = (), path: str = ""
) -> list[MapSpec]:
    """The maps of one layer in order, on the maps of the layer before; ``path`` is the label of all of these together.

    Kernels without depth give a map for each incoming one, the maps of one set side by side. Raises UsageError or
    KernelError for options that do not fit the kernels.
    """
    maps = _Layer(_with_groups(sets, settings), settings, before, path).maps()
    if len(maps) > MAX_MAPS:
        raise UsageError(f"a layer of {len(maps):,} maps; at most {MAX_MAPS:,}, a fixed limit")
    seen: set[str] = set()
    for each in maps:
        if settings.linear and each.range.how not in ("clip", "abs"):
            raise UsageError(
                f"--linear codes its maps again for the ranges clip and abs only, and {each.label} is shown by"
                f" {each.range.how}; give --range clip or --range abs"
            )
        if fold(each.label) in seen:
            raise KernelError(f"the kernel {each.label} is given twice")
        seen.add(fold(each.label))
    return maps


class Grouped(NamedTuple):
    """A kernel and the group of channels that it sees."""

    kernel: Kernel
    group: int


class GroupedSet(NamedTuple):
    """A kernel set as a layer uses it."""

    label: str
    kernels: tuple[Grouped, ...]


def _with_groups(sets: Sequence[KernelSet], settings: Settings) -> list[GroupedSet]:
    """The kernels that are used, with the settings that change them."""
    count = sum(len(found.kernels) for found in sets)
    groups = settings.groups
    if groups > 1:
        flat = next((kernel for found in sets for kernel in found.kernels if kernel.depth is None), None)
        if flat is not None:
            raise UsageError(
                f"{flat.label} has no depth, so there are no channels to group; --groups takes kernels of"
                " (N, C/groups, kh, kw)"
            )
        if count % groups:
            raise UsageError(f"--groups {groups} has to divide the number of kernels, and the layer has {count}")
    chosen = settings.maps
    if chosen is not None and max(chosen) >= count:
        raise UsageError(f"--maps names {max(chosen)}, and the layer has {count} kernels, 0 to {count - 1}")
    place = 0
    found_sets = []
    for found in sets:
        kernels: dict[int, Grouped] = {}
        for kernel in found.kernels:
            if chosen is None or place in chosen:
                kernels[place] = Grouped(_with_settings(kernel, settings), place * groups // count)
            place += 1
        order = list(kernels) if chosen is None else [at for at in chosen if at in kernels]
        if order:
            found_sets.append(GroupedSet(found.label, tuple(kernels[at] for at in order)))
    return found_sets


def _with_settings(kernel: Kernel, settings: Settings) -> Kernel:
    if kernel.depth is not None and settings.channels not in (None, "sum"):
        raise UsageError(
            f"{kernel.label} spans {kernel.depth} channels and adds them up; --channels {settings.channels} does"
            " not go with it"
        )
    changed = kernel.flipped() if settings.flip else kernel
    return changed if settings.bias is None else replace(changed, bias=settings.bias)


class _Layer:
    """The kernels of a layer meeting the maps before it."""

    def __init__(self, sets: list[GroupedSet], settings: Settings, before: Sequence[MapSpec], path: str) -> None:
        self.sets, self.settings, self.before, self.path = sets, settings, before, path
        self.everything = tuple(range(len(before)))

    def maps(self) -> list[MapSpec]:
        """All maps in order."""
        if self.settings.merge is None:
            return [each for found in self.sets for each in self._singles(found)]
        if any(len(found.kernels) > 1 for found in self.sets):
            return [each for found in self.sets for each in self._merged_set(found)]
        kernels = tuple(found.kernels[0] for found in self.sets)
        if len(kernels) > 1:
            return list(self._joined("merged", "merged", kernels))
        return [self._joined_inputs(self.sets[0])]

    def _spots(self, kernels: Sequence[Grouped]) -> Iterator[int | None]:
        """Incoming maps on which kernels act one after the other; None once if they take what comes in as a whole."""
        if not self.before or all(each.kernel.depth is not None for each in kernels):
            yield None
        else:
            yield from self.everything

    def _part(self, each: Grouped, spot: int | None) -> Part:
        alone = each.kernel.depth is None and spot is not None
        return Part(each.kernel, (spot,) if alone and spot is not None else self.everything, each.group)

    def _label(self, label: str, spot: int | None) -> str:
        path = self.path if spot is None else self.before[spot].label
        return f"{path}+{label}" if self.before else label

    def _set_label(self, label: str) -> str:
        return f"{self.path}+{label}" if self.before else label

    def _singles(self, found: GroupedSet) -> Iterator[MapSpec]:
        for at, spot in enumerate(self._spots(found.kernels)):
            for each in found.kernels:
                if at and each.kernel.depth is not None:  # it took everything the first time
                    continue
                part = self._part(each, spot)
                label = self._label(each.kernel.label, None if each.kernel.depth is not None else spot)
                yield MapSpec(label, self._set_label(found.label), (part,), None, self._range((part,), None))

    def _merged_set(self, found: GroupedSet) -> Iterator[MapSpec]:
        if len(found.kernels) == 1:
            yield from (each._replace(kernel=each.label) for each in self._singles(found))
        else:
            yield from self._joined(found.label, found.label, found.kernels)

    def _joined(self, label: str, kernel: str, kernels: Sequence[Grouped]) -> Iterator[MapSpec]:
        for spot in self._spots(kernels):
            parts = tuple(self._part(each, spot) for each in kernels)
            merge = self.settings.merge
            yield MapSpec(self._label(label, spot), self._set_label(kernel), parts, merge, self._range(parts, merge))

    def _joined_inputs(self, found: GroupedSet) -> MapSpec:
        """The maps that one kernel makes of several incoming ones, joined."""
        (each,) = found.kernels
        spots = list(self._spots(found.kernels))
        if len(spots) == 1:
            raise UsageError(f"--merge joins several maps, and {found.label} gives one")
        parts = tuple(self._part(each, spot) for spot in spots)
        merge = self.settings.merge
        label = self._set_label(each.kernel.label)
        return MapSpec(label, self._set_label(found.label), parts, merge, self._range(parts, merge))

    def _range(self, parts: Sequence[Part], merge: str | None) -> Range:
        """The range in force: what is asked for, else that of the kernels."""
        if self.settings.range is not None:
            return self.settings.range
        own = {self._own_range(part) for part in parts}
        return own.pop() if len(own) == 1 and merge != "magnitude" else CLIP

    def _own_range(self, part: Part) -> Range:
        """A kernel's range; after another layer, a blur changes nothing about how its input is shown."""
        if part.inputs and (part.kernel.weights >= 0).all():
            incoming = {self.before[at].range for at in part.inputs}
            return incoming.pop() if len(incoming) == 1 else CLIP
        return part.kernel.range or CLIP
