"""A decoded picture: its samples and what has to survive beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convtool.errors import UsageError
from convtool.tuples import NamedTuple


class Layout(NamedTuple):
    """What is known of a picture without its samples."""

    height: int
    width: int
    colours: int
    alpha: bool
    dtype: str
    """``uint8``, ``uint16`` or ``float32``."""

    @property
    def channels(self) -> int:
        """Colours and alpha."""
        return self.colours + self.alpha

    def __str__(self) -> str:
        names = {1: "grey", 3: "RGB"}
        kind = names.get(self.colours, f"{self.colours} channels")
        if self.alpha:
            kind = {1: "grey+alpha", 3: "RGBA"}.get(self.colours, f"{kind}+alpha")
        return f"{self.height}x{self.width} {kind} {self.dtype}"


class Timing(NamedTuple):
    """How an animation is played; pages have no delays."""

    delays: tuple[float, ...] = ()
    """Milliseconds that each frame is shown."""
    plays: int = 0
    """How often, 0 for ever."""

    def of(self, index: int) -> float:
        """The delay of a frame in milliseconds; a page is shown for a second."""
        return self.delays[index] if self.delays else 1000.0


PAGES = Timing()


class Samples(Protocol):
    """Samples (H, W, C) of which rows can be had: an array, or the storage of a decoder."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a sample."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Rows of a slice with step 1, shape (rows, W, C)."""


@dataclass(eq=False, repr=False)
class Picture:
    """Samples (H, W, C), alpha last, and the metadata that goes on to its maps."""

    rows: Samples
    alpha: bool
    metadata: dict[str, Any] = field(default_factory=dict)
    """``icc_profile``, ``exif`` and ``dpi`` as Pillow writes them, and ``text`` (a dict)."""
    notes: tuple[str, ...] = ()
    """What to report to the user about reading it."""
    more: tuple[Picture, ...] = ()
    """The frames or pages after this one."""
    timing: Timing = PAGES

    @property
    def layout(self) -> Layout:
        """Shape and type of the samples."""
        height, width, channels = self.rows.shape
        return Layout(height, width, channels - self.alpha, self.alpha, self.rows.dtype.name)

    @property
    def samples(self) -> NDArray[Any]:
        """All samples as one array, which takes the place of the decoder's storage."""
        if not isinstance(self.rows, np.ndarray):
            self.rows = self.rows[0 : self.rows.shape[0]]
        return self.rows

    @property
    def colour(self) -> NDArray[Any]:
        """The colour channels, a view (H, W, colours)."""
        return self.samples[..., : self.samples.shape[2] - self.alpha]

    @property
    def opacity(self) -> NDArray[Any]:
        """The alpha channel, a view (H, W, 1)."""
        return self.samples[..., -1:]


def layout_of_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout:
    """What an array (H, W) or (H, W, C) means as a picture: 2 and 4 channels end in alpha.

    Raises UsageError for other ranks, empty sides and types that are not real numbers.
    """
    if len(shape) not in (2, 3) or 0 in shape:
        raise UsageError(f"an array of shape {shape} is no picture; it has to be (H, W) or (H, W, C)")
    if dtype.kind not in "biuf":
        raise UsageError(f"an array of {dtype} is no picture; samples are real numbers")
    channels = shape[2] if len(shape) == 3 else 1
    alpha = channels in (2, 4)
    kept = {"uint8": "uint8", "uint16": "uint16", "bool": "uint8"}
    return Layout(shape[0], shape[1], channels - alpha, alpha, kept.get(dtype.name, "float32"))


def picture_from_array(array: ArrayLike) -> Picture:
    """A picture from an array (H, W) or (H, W, C); types other than uint8 and uint16 become float32.

    Truth values become 0 and 255. Raises UsageError for what is no picture.
    """
    values = np.asarray(array)
    layout = layout_of_array(values.shape, values.dtype)
    if values.dtype.kind == "b":
        values = values * np.uint8(255)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite in it
        samples = values.astype(np.dtype(layout.dtype), copy=False)
    notes: tuple[str, ...] = ()
    if layout.dtype == "float32" and (odd := int(np.count_nonzero(~np.isfinite(samples)))):
        notes = (f"{odd:,} of its samples {'is' if odd == 1 else 'are'} not finite (NaN or infinity)",)
    return Picture(samples.reshape(layout.height, layout.width, layout.channels), layout.alpha, notes=notes)
