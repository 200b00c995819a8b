"""Frames of a picture between reading and writing: which are filtered, by which light, and how they are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from convtool.layers.filtering import FeatureMap
from convtool.layers.settings import Settings
from convtool.layers.streams import Stream
from convtool.pictures.formats import Encoding
from convtool.pictures.picture import Picture
from convtool.pictures.writer import encode, encode_frames, encode_strips
from convtool.tone.light import SRGB, Light, light_of


def chosen_frames(picture: Picture, formats: set[str]) -> tuple[Picture, ...]:
    """The frames that are filtered for outputs of some formats.

    What becomes of the others, or of their timing, joins the notes.
    """
    if not picture.more:
        return (picture,)
    if formats != {"tif"} and len({frame.layout for frame in (picture, *picture.more)}) > 1:
        what = f"has {len(picture.more) + 1} pages that are not alike, and only the first is filtered"
        picture.notes += (f"{what}; a tif file holds all of them",)
        return (picture,)
    if "tif" in formats and picture.timing.delays:
        picture.notes += ("its frames became pages; tif files hold no timing",)
    return (picture, *picture.more)


def light_for(picture: Picture, settings: Settings) -> Light:
    """The curve of a picture that is filtered in linear light; what has to be said of it joins its notes."""
    if not settings.linear:
        return SRGB
    notes: list[str] = []
    light = light_of(picture.metadata.get("icc_profile"), notes)
    picture.notes += tuple(notes)
    return light


def write_stream(stream: Stream, picture: Picture, format_name: str, encoding: Encoding, file: IO[bytes]) -> None:
    """Filter a picture and write its map, strip by strip."""
    encode_strips(stream, stream.plan.layout, format_name, encoding, picture.metadata, file)


def write_maps(
    maps: Sequence[FeatureMap], picture: Picture, format_name: str, encoding: Encoding, file: IO[bytes]
) -> None:
    """Write one map of every frame; ``picture`` is the first of them."""
    if len(maps) == 1:
        encode(maps[0].samples, maps[0].plan.layout, format_name, encoding, picture.metadata, file)
        return
    layouts = [found.plan.layout for found in maps]
    encode_frames([m.samples for m in maps], layouts, picture.timing, format_name, encoding, picture.metadata, file)
