"""Make the sample images: ``python sample_images/make.py`` writes every picture of this folder anew.

Everything comes from fixed seeds and formulas, so two runs give the same bytes. The scene takes most of the
minute: a heightfield worn by simulated rain, seen by one fan of rays per image column. The lake shows what
a second eye sees, mirrored below the water.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
Array = NDArray[Any]
BOX = Image.Resampling.BOX
F = np.float32

# The camera, in pixels of a picture twice too large, and in metres: x to the right, y up, z into the picture.
SCALE = 2
W, H = 1024 * SCALE, 768 * SCALE
FOCAL, HORIZON, EYE = 1050.0 * SCALE, 385.0 * SCALE, 4.5
COLUMN = (np.arange(W) + 0.5 - W / 2) / FOCAL
ROW = (HORIZON - np.arange(H) - 0.5) / FOCAL
ACROSS, UP = np.broadcast_arrays(COLUMN[None, :], ROW[:, None])
SUN = np.array([-0.80, 0.46, -0.38])  # from the left, a little behind the camera
WARM = np.array([1.14, 1.0, 0.84, 1.0])  # sunlight on drawn things
CELL, NX, NZ, WEST = 12.0, 1200, 1100, -7200.0  # the land's grid
ISLE_X, ISLE_Z = 47.0, 170.0
TABLE = np.random.default_rng(7).uniform(-1, 1, (256, 256)).astype(F)


# ---- noise ----


def lookup(grid: Array, x: Array, y: Array) -> Array:
    """Look a grid up between its points; past its last row or column comes its first."""
    i, j = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    u, v = (x - i).astype(F), (y - j).astype(F)
    rows, columns = grid.shape
    left, right, top, bottom = i % columns, (i + 1) % columns, j % rows, (j + 1) % rows
    a, b = grid[top, left], grid[bottom, left]
    a, b = a + (grid[top, right] - a) * u, b + (grid[bottom, right] - b) * u
    return np.asarray(a + (b - a) * v)


def noise(x: Array, y: Array) -> Array:
    """Return smooth noise in -1..1: a random value at each whole point, eased in between."""
    u, v = x % 1, y % 1
    u, v = u * u * u * (u * (u * 6 - 15) + 10), v * v * v * (v * (v * 6 - 15) + 10)
    return lookup(TABLE, np.floor(x) + u, np.floor(y) + v)


def fbm(x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
    """Sum octaves of noise, each turned, twice as fine and ``gain`` times as strong as the one before."""
    total = np.zeros(np.broadcast(x, y).shape, F)
    for octave in range(octaves):
        total += F(gain**octave) * noise(x, y)
        x, y = 1.6 * x + 1.2 * y + 17.3, 1.6 * y - 1.2 * x + 5.1
    return total


def ease(low: float, high: float, x: Array) -> Array:
    """Go smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def mix(a: Any, b: Any, t: Array) -> Array:
    """Blend colour ``a`` into colour ``b`` by the mask ``t``."""
    return np.asarray(a + (np.asarray(b) - np.asarray(a)) * t[..., None])


# ---- land ----


class Land(NamedTuple):
    """Grids: the ground's height, the height that shadows reach, and how far each point stands out."""

    ground: Array
    shade: Array
    relief: Array


def raise_land() -> Array:
    """Return the young land: ridged noise that is calmer where it is steep, around the basin of a lake."""
    x, z = np.meshgrid(WEST + CELL * np.arange(NX), CELL * np.arange(NZ))
    p, q = x / 2600 + 3.7, z / 2600 + 9.2
    total, east, north = np.zeros((3, NZ, NX))
    for octave in range(8):
        n = noise(p, q)
        n = 1 - 2 * np.sqrt(n * n + F(0.006)) if 0 < octave < 4 else n
        north_slope, east_slope = np.gradient(n, CELL / 2600)
        east, north = east + 0.35 * 0.47**octave * east_slope, north + 0.35 * 0.47**octave * north_slope
        total += n * 0.47**octave / (1 + 0.8 * (east**2 + north**2))
        p, q = 1.6 * p + 1.2 * q, 1.6 * q - 1.2 * p
    wave = fbm(x / 900, z / 900, 4)
    h = ease(2300, 8200, z + 350 * wave) * (1150 + 1350 * total + 60 * wave) - 14
    h += ease(-110, -1300, x + 0.10 * z + 150 * wave) * ease(250, 1300, z) * (330 + 190 * wave)
    h += ease(500, 2300, x - 0.05 * z + 220 * wave) * ease(500, 2200, z) * (240 + 150 * wave)
    h += ease(1900, 3000, z + 320 * wave) * (90 + 60 * wave)
    return np.asarray(np.maximum(h, -30))


def crumble(h: Array, steepest: float, rounds: int) -> Array:
    """Let whatever is steeper than ``steepest`` slide down, along rows and columns in turn."""
    for _ in range(2 * rounds):
        drop = np.diff(h, axis=0)
        slide = 0.25 * np.sign(drop) * np.maximum(np.abs(drop) - steepest, 0)
        h[:-1] += slide
        h[1:] -= slide
        h = h.T
    return h


def rain(h: Array, showers: int, drops: int, steps: int) -> Array:
    """Let drops run downhill with the soil they can carry: they carve the gullies and fill the valleys."""
    rng = np.random.default_rng(3)
    rows, columns = h.shape

    def look(ground: Array, x: Array, y: Array) -> tuple[Array, ...]:
        """Return where drops are (cell, place in it), how high, and the slope to the east and south."""
        i, u, v = y.astype(np.int32) * columns + x.astype(np.int32), x % 1, y % 1
        a, b, c, d = ground[i], ground[i + 1], ground[i + columns], ground[i + columns + 1]
        south = (c - a) * (1 - u) + (d - b) * u
        return i, u, v, a + (b - a) * u + south * v, (b - a) * (1 - v) + (d - c) * v, south

    for _ in range(showers):
        ground, change = h.astype(F).ravel(), np.zeros(h.size)
        x, y = rng.uniform(1, columns - 3, drops).astype(F), rng.uniform(1, rows - 3, drops).astype(F)
        dx, dy, soil, speed = np.zeros((4, drops), F) + np.array([[0], [0], [0], [1]], F)
        for step in range(steps):
            i, u, v, high, east, south = look(ground, x, y)
            dx, dy = 0.35 * dx - 0.65 * east, 0.35 * dy - 0.65 * south
            length = np.sqrt(dx * dx + dy * dy + F(1e-9))
            dx, dy = dx / length, dy / length
            x, y = np.clip(x + dx, 1, columns - 3), np.clip(y + dy, 1, rows - 3)
            fall = high - look(ground, x, y)[3]
            room = np.maximum(fall, F(0.003)) * speed * F(5 * 0.985**step) - soil
            left = np.where(room < 0, -0.12 * room, -np.minimum(0.18 * room, 0.5 * fall))
            left = np.where(fall < 0, np.minimum(soil, -fall), left)
            soil = soil - left
            for offset, share in ((0, 1 - v), (columns, v)):
                change += np.bincount(i + offset, (1 - u) * share * left, h.size)
                change += np.bincount(i + offset + 1, u * share * left, h.size)
            speed = np.minimum(np.sqrt(np.maximum(speed * speed + fall, F(0.02))), 3)
        soft = np.pad(change.reshape(rows, columns), 1)
        soft = soft[:-2] + 2 * soft[1:-1] + soft[2:]
        h = h + np.clip((soft[:, :-2] + 2 * soft[:, 1:-1] + soft[:, 2:]) / 16, -0.6, 0.6)
    return h


def make_land() -> Land:
    """Raise the land, let weather at it, and cast the shadows of a sun in the west."""
    cells = crumble(raise_land() / CELL, 1.15, 40)
    ground = (CELL * crumble(rain(cells, 14, 60000, 70), 1.3, 10)).astype(F)
    line = 0.55 * (WEST + CELL * np.arange(NX))
    shade = np.maximum.accumulate(ground + line, axis=1) - line
    shade = (np.roll(shade, 1, axis=0) + 2 * shade + np.roll(shade, -1, axis=0)) / 4
    around = Image.fromarray(ground).resize((NX // 20, NZ // 20), BOX)
    around = around.resize((NX, NZ), Image.Resampling.BICUBIC)
    return Land(ground, shade.astype(F), ground - np.asarray(around))


def sample(grid: Array, x: Array, z: Array) -> Array:
    """Look one of the land's grids up at any place."""
    return lookup(grid, np.clip((x - WEST) / CELL, 0, NX - 1.001), np.clip(z / CELL, 0, NZ - 1.001))


def height(land: Land, x: Array, z: Array) -> Array:
    """Return the ground's height with small bumps and the rocky islet; the lake's level is 0."""
    rough, h = fbm(x / 19 + 0.5, z / 19, 4), sample(land.ground, x, z)
    r = np.hypot((x - ISLE_X) / 34, (z - ISLE_Z) / 22)
    isle = 7 * np.clip(1 - r * r, -0.6, 1) - 1.7 + 1.1 * fbm(x / 7, z / 7, 5)
    isle += 2.2 * rough * ease(1.35, 0.6, r)
    h = h + 1.6 * rough * ease(-4, 3, h)
    return np.where(r < 1.5, np.maximum(h, isle), h)


# ---- light ----


def sky(across: Array, up: Array) -> Array:
    """Return the sky in the direction (across, up): a gradient, a glow, veils, and clouds on a plane."""
    up = np.clip(up, 0, 1)
    colour = mix([0.10, 0.22, 0.50], [0.66, 0.68, 0.70], np.exp(-up * 5.5))
    colour = colour + np.exp(-((across + 0.75) ** 2 * 3 + (up * 3) ** 2))[..., None] * [0.50, 0.26, 0.08]
    x, z = across / (up + 0.1) * 1.1 + 4.2, 1.1 / (up + 0.1) + 1.7
    warp = fbm(x * 0.9, z * 1.3, 4)
    p, q = x * 1.5 + 0.5 * warp, z * 2 + 0.5 * warp
    cloud = fbm(p, q, 7, 0.56)
    lit = np.clip(0.62 - 0.25 * cloud + 1.1 * (cloud - fbm(p - 0.14, q + 0.08, 7, 0.56)), 0, 1)
    veil = 0.35 * ease(-0.1, 1.1, fbm(x * 0.6 + 9, z * 2.4, 6, 0.6)) * ease(0.05, 0.3, up)
    colour = mix(colour, [1.0, 0.93, 0.86], veil)
    body = mix(mix([0.42, 0.44, 0.52], [1.30, 1.10, 0.90], lit), [0.74, 0.73, 0.72], np.exp(-up * 9))
    return mix(colour, body, 0.92 * ease(-0.05, 0.75, cloud + 0.15 * warp) * ease(0, 0.1, up))


def haze(colour: Array, across: Array, z: Array, h: Array) -> Array:
    """Put air before the land: blue with distance, warm towards the sun, and mist over the far shore."""
    mist = 0.26 * np.clip((z - 600) / 2500, 0, 1) * np.exp(-np.maximum(h, 0) / 60)
    air = mix([0.38, 0.47, 0.63], [0.78, 0.70, 0.64], np.exp(-((across + 0.7) ** 2) * 3))
    return mix(colour, air, 1 - np.exp(-((z / 20000) ** 1.2) - mist))


def shade_land(land: Land, x: Array, z: Array, across: Array) -> Array:
    """Return the land's colour at (x, z): rock, forest floor, meadow and snow under the sun and the sky."""
    h, e = height(land, x, z), np.maximum(0.25, z / FOCAL * 0.8)
    nx = (height(land, x - e, z) - height(land, x + e, z)) / (2 * e)
    nz = (height(land, x, z - e) - height(land, x, z + e)) / (2 * e)
    ny = 1 / np.sqrt(nx * nx + nz * nz + 1)
    fine = fbm(x / 31, z / 31, 5)
    rock = (1 + 0.3 * fine + 0.25 * noise(h / 38 + 0.6 * fine, x / 900))[..., None] * [0.215, 0.185, 0.165]
    green = mix([0.036, 0.052, 0.020], [0.110, 0.098, 0.042], ease(250, 800, h + 90 * fine))
    green *= (1 + 0.4 * fine)[..., None]
    flat = ny + 0.06 * fine - 0.2 * ease(300, 220, z)
    colour = mix(rock, green, ease(1150, 640, h + 190 * fine) * ease(0.56, 0.78, flat))
    snow = ease(850, 1450, h + 240 * fine) * ease(0.40, 0.62, ny + 0.1 * fine)
    colour = mix(colour, [0.86, 0.88, 0.92], snow)
    colour = colour * (1 - 0.6 * ease(1.0, 0.2, h)[..., None])
    sun = np.clip((nx * SUN[0] + nz * SUN[2] + SUN[1]) * ny, 0, 1) * ease(-8, 6, h - sample(land.shade, x, z))
    open_sky = np.clip(1 + sample(land.relief, x, z) / 120, 0.3, 1.15) * (0.55 + 0.45 * ny)
    light = sun[..., None] * [2.8, 2.15, 1.48] + open_sky[..., None] * [0.27, 0.35, 0.52]
    return haze(colour * light, across, z, h)


def march(land: Land, eye: float) -> Array:
    """Return each pixel's distance, infinite for sky; an eye below the water sees no water."""
    z = np.geomspace(8, 13000, 1800)[:, None]
    h = height(land, z * COLUMN, z + 0 * COLUMN)
    slope = (np.where(h <= 0, -1e4 if eye < 0 else 0, h) - eye) / z
    top, depth = np.maximum.accumulate(slope, axis=0), np.empty((H, W))
    for column in range(W):
        hit = np.searchsorted(top[:, column], ROW)
        k = np.clip(hit, 1, len(z) - 1)
        low, high = slope[k - 1, column], slope[k, column]
        t = np.clip((ROW - low) / np.where(high > low, high - low, 1), 0, 1)
        depth[:, column] = np.where(hit < len(z), z[k - 1, 0] + t * (z[k, 0] - z[k - 1, 0]), np.inf)
    return depth


# ---- things ----


def ink(colour: Iterable[float], light: float = 1.0) -> tuple[int, ...]:
    """Return a colour to draw with."""
    return tuple(int(min(max(c * light, 0), 255)) for c in colour)


def linear(image: Image.Image) -> Array:
    """Turn a drawing into linear light, multiplied by its alpha."""
    rgba = np.asarray(image, F) / 255
    return np.concatenate([rgba[..., :3] ** F(2.2) * rgba[..., 3:], rgba[..., 3:]], axis=2)


def shrink(image: Array, width: int, height: int) -> Array:
    """Return a float picture made smaller by averaging."""
    planes = (Image.fromarray(plane.astype(F)) for plane in np.moveaxis(image, 2, 0))
    return np.stack([np.asarray(plane.resize((width, height), BOX)) for plane in planes], axis=2)


def stamp(image: Array, depth: Array, sprite: Array, left: float, bottom: float, z: float) -> None:
    """Lay a sprite over the picture wherever nothing nearer hides it."""
    x, y = round(left), round(bottom) - sprite.shape[0]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + sprite.shape[1], W), min(y + sprite.shape[0], H)
    if x0 < x1 and y0 < y1:
        part = sprite[y0 - y : y1 - y, x0 - x : x1 - x] * (depth[y0:y1, x0:x1, None] > z * 0.985 - 1)
        image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * (1 - part[..., 3:]) + part[..., :3]


@cache
def conifer(kind: int, size: int) -> Array:
    """Return tree number ``kind``, ``size`` pixels high: bough upon bough, lit from the left."""
    if size < 480:
        full = Image.fromarray((conifer(kind, 480) * 255).astype(np.uint8))
        return np.asarray(full.resize((max(2, size * 5 // 12), size), BOX), F) / 255
    rng, image = np.random.default_rng(100 + kind), Image.new("RGBA", (200, 480), (26, 32, 18, 0))
    draw = ImageDraw.Draw(image)
    draw.line([100, 20, 100, 479], (58, 46, 36, 255), 5)
    slim, bend = rng.uniform(0.6, 1.0), rng.uniform(0.8, 1.0)
    for y in np.linspace(455, 4, 150):
        reach = slim * 90 * (y / 470) ** bend * rng.uniform(0.75, 1.1) + 2
        for turn in rng.uniform(0, 2 * np.pi, 8):
            side, front = np.cos(turn), np.sin(turn)
            x = side * reach * rng.uniform(0.5, 1.05)
            light = max(0.05, 0.4 - 0.42 * side + 0.2 * front + rng.normal(0, 0.12))
            tip = y + abs(x) * rng.uniform(0.15, 0.5) + 6 * front
            colour = ink(np.array([28, 38, 22]) + light * np.array([88, 92, 44]) * (1.1 - 0.5 * y / 480))
            bough = [100, y, 100 + x * 0.6, (y + tip) / 2 - 2, 100 + x, tip]
            draw.line(bough, (*colour, 255), 2 + int(reach / 36))
    return linear(image)


def plant(land: Land) -> Array:
    """Return the forest, far trees first: columns x, y, z, size, kind, brightness, autumn."""
    rng, n = np.random.default_rng(11), 150_000
    z = 600 * np.exp(rng.uniform(0, 2, n))
    x = z * rng.uniform(-0.53, 0.53, n)
    h = height(land, x, z)
    steep = np.hypot(height(land, x + 8, z) - h, height(land, x, z + 8) - h) / 8
    grove = fbm(x / 260, z / 260, 4) - (h / 520) ** 2
    light = (0.35 + 0.85 * ease(-15, 5, h - sample(land.shade, x, z))) * rng.uniform(0.6, 1.25, n)
    size, kind, autumn = rng.uniform(12, 27, n), rng.integers(0, 8, n), rng.uniform(0, 1, n) ** 7
    trees = np.stack([x, h, z, size, kind, light, autumn], axis=1)
    trees = trees[(h > 1.5) & (steep < 1) & (grove > rng.uniform(-0.7, 0.3, n))]
    return np.asarray(trees[np.argsort(-trees[:, 2])])


def draw_forest(image: Array, depth: Array, trees: Array, eye: float) -> None:
    """Stamp every tree, with the air before it."""
    colours = trees[:, 5:6] * ([0.60, 0.55, 0.42] + trees[:, 6:7] * [1.3, 0.5, 0.0])
    x, y, z = trees[:, :3].T
    base, full = haze(0 * colours, x / z, z, y), haze(colours, x / z, z, y)
    for k, (size, kind) in enumerate(zip(trees[:, 3], trees[:, 4], strict=True)):
        tree = conifer(int(kind), max(4, round(size * FOCAL / z[k]))).copy()
        tree[..., :3] = tree[..., :3] * (full[k] - base[k]) + tree[..., 3:] * base[k]
        left = W / 2 + FOCAL * x[k] / z[k] - tree.shape[1] / 2
        stamp(image, depth, tree, left, HORIZON - FOCAL * (y[k] - eye) / z[k] + 1, z[k])


@cache
def station() -> Array:
    """Return the lighthouse, its house and the footbridge: 90 x 32 metres, drawn at 24 pixels a metre."""
    image = Image.new("RGBA", (90 * 24, 32 * 24), (200, 195, 185, 0))
    draw = ImageDraw.Draw(image)
    wood, dark, pale, white, red = (92, 80, 68), (52, 47, 44), (206, 190, 164), (232, 226, 216), (136, 52, 44)

    def shape(colour: Sequence[float], *points: tuple[float, float]) -> None:
        draw.polygon([(x * 24, (32 - y) * 24) for x, y in points], (*ink(colour), 255))

    def box(colour: Sequence[float], x0: float, y0: float, x1: float, y1: float) -> None:
        shape(colour, (x0, y0), (x1, y0), (x1, y1), (x0, y1))

    def bar(colour: Sequence[float], width: float, *points: tuple[float, float]) -> None:
        draw.line([(x * 24, (32 - y) * 24) for x, y in points], (*ink(colour), 255), round(width * 24))

    def drum(colour: Sequence[float], y0: float, y1: float, r0: float, r1: float) -> None:
        """Draw a round wall about the tower's axis in upright slices, each with its own light."""
        for u in np.linspace(-1, 0.94, 33):
            light = (0.36 + max(0.0, 0.42 * float(np.sqrt(1 - u * u)) - 0.62 * u)) ** 0.5
            v = u + 0.062
            shape(ink(colour, light), (6 + u * r0, y0), (6 + v * r0, y0), (6 + v * r1, y1), (6 + u * r1, y1))

    for x in np.arange(28, 91, 4.0):  # the bridge: piles and braces, the deck, the railing
        bar(dark, 0.36, (x, 0), (x, 4.6))
        bar(wood, 0.20, (x + 0.2, 0), (x + 0.2, 4.6))
        bar(dark, 0.14, (x, 0.6), (x + 4, 4), (x, 4), (x + 4, 0.6))
    bar(wood, 0.42, (20, 4.5), (90, 4.5))
    for y in (4.75, 5.15, 5.5, 5.9):
        bar(pale, 0.09, (20, y), (90, y))
    for x in np.arange(20, 91, 1.0):
        bar(pale, 0.08, (x, 4.7), (x, 5.9))
    t = np.linspace(0, 1, 30)
    for x, start, high in ((33, 13, 11), (55, 33, 12.5), (77, 55, 12.5), (99, 77, 12.5)):  # poles and wires
        bar(dark, 0.26, (x, 4), (x, 13))
        bar(dark, 0.16, (x - 1.1, 12.4), (x + 1.1, 12.4))
        sag = high + (12.5 - high) * t - 6 * t * (1 - t)
        for side in (-1, 1):
            bar(dark, 0.08, *zip(side + start + (x - start) * t, sag, strict=True))
    box((184, 174, 164), 11, 2, 20, 8.8)  # the keeper's house
    shape((118, 48, 40), (10.6, 8.6), (20.4, 8.6), (19.2, 11.8), (11.6, 11.8))
    box((140, 112, 98), 17.2, 11, 18, 13.1)
    for x in (12.4, 12.95, 15.0, 15.55, 17.6, 18.15):
        box(white, x, 5.6, x + 0.55, 7.6)
        box((52, 62, 76), x + 0.08, 5.7, x + 0.47, 7.5)
    for k in range(5):  # the tower in bands, then gallery, lantern, dome and railing
        drum(red if k % 2 else white, 1 + 4.2 * k, 5.2 + 4.2 * k, 2.9 - 0.22 * k, 2.68 - 0.22 * k)
        box((44, 48, 56), 5.5, 2.9 + 4.2 * k, 6.1, 4.1 + 4.2 * k)
    drum((150, 146, 142), 21.6, 22.4, 2.0, 2.9)
    drum((150, 172, 186), 22.4, 25.2, 1.35, 1.35)
    box((255, 240, 190), 5.5, 23.0, 6.2, 24.7)
    rise = np.sqrt(1 - np.linspace(0, 1, 11) ** 2)
    for k in range(10):
        drum(red, 25.2 + 0.18 * k, 25.4 + 0.18 * k, 1.75 * rise[k], 1.75 * rise[k + 1])
    bar(dark, 0.1, (6, 26), (6, 29.2))
    for u in np.sin(np.linspace(-1.57, 1.57, 15)):
        bar(dark, 0.1, (6 + 1.3 * u, 22.4), (6 + 1.3 * u, 25.2))
        bar(white, 0.07, (6 + 2.85 * u, 22.4), (6 + 2.85 * u, 23.5))
    bar(white, 0.08, (3.15, 22.9), (8.85, 22.9), (8.85, 23.5), (3.15, 23.5))
    return shrink(linear(image), round(90 * FOCAL / ISLE_Z), round(32 * FOCAL / ISLE_Z))


def foreground(eye: float) -> Array:
    """Return the jetty and the reeds as ``eye`` sees them."""
    rng = np.random.default_rng(5)
    canvas = Image.new("RGBA", (2 * W, 2 * H), (90, 84, 60, 0))
    draw, grey = ImageDraw.Draw(canvas), np.array([138.0, 132, 124])

    def spot(x: float, y: float, z: float) -> tuple[float, float]:
        return W + 2 * FOCAL * x / z, 2 * HORIZON - 2 * FOCAL * (y - eye) / z

    def panel(colour: Array, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, lean: float = 0) -> None:
        """Draw a flat piece of the jetty between two corners; x counts from the middle of the deck."""
        a, b = (z1, z0) if x0 == x1 else (z0, z1)
        corners = ((x0, y0, z0), (x1, y0, a), (x1 + lean, y1, z1), (x0 + lean, y1, b))
        draw.polygon([spot(x - 1.6 - 0.125 * z, y, z) for x, y, z in corners], ink(colour))

    for k, z in enumerate(np.arange(46.0, 6.9, -0.25)):  # boards, far ones first, and shadows of the rails
        y, board = 0.9 + rng.normal(0, 0.008), grey * rng.uniform(0.72, 1.1) + rng.normal(0, 1.5, 3)
        panel(board * (1 if eye > 0 else 0.3), -1.1, 1.1, y, y, z, z + 0.23)
        for gap in rng.uniform(0.02, 0.2, 5):
            panel(board * rng.uniform(0.72, 1), -1.1, 1.1, y, y, z + gap, z + gap + 0.012)
        for x in (-0.37, 0.73):
            panel(board * [0.42, 0.46, 0.55], x - 0.05, x + 0.05, y, y, z, z + 0.23)
        panel(grey * 0.4, -1.1, 1.1, y - 0.09, y, z, z)
        if k % 12 == 0:  # posts, with a shadow on the deck, and rails to the posts behind
            panel(grey * [0.38, 0.42, 0.5], -1.1, -0.95, 0.9, 0.9, z, z + 0.9, 1.8)
            for x in (-1.15, 1.15):
                panel(grey * 0.62, x - 0.08, x + 0.08, -0.3, 2.05, z, z)
                panel(grey * 1.25, x - 0.08, x - 0.02, -0.3, 2.05, z, z)
                for y in (1.35, 1.98):
                    panel(grey * 0.68, x, x, y - 0.06, y + 0.01, z, z + 3)
                    panel(grey * 1.4, x, x, y + 0.01, y + 0.06, z, z + 3)
    t = np.linspace(0, 1, 9)
    for z in np.sort(rng.uniform(10.5, 19, 1000))[::-1]:  # reeds
        x = z * rng.uniform(0.31, 0.5) + rng.normal(0, 0.25)
        size, lean = rng.gamma(9, 0.16), rng.normal(0.1, 0.16)
        path = [spot(x + lean * size * s * s, size * s - 0.05, z) for s in t]
        colour = np.array([104, 116, 52] if rng.random() < 0.7 else [172, 158, 104]) * rng.uniform(0.4, 1.1)
        for k in range(8):
            width = max(1, round(FOCAL * 0.042 / z * (1.1 - t[k])))
            draw.line([path[k], path[k + 1]], ink(colour, 0.45 + 0.65 * t[k]), width)
        if rng.random() < 0.10:
            draw.line([path[7], path[8]], (84, 62, 44), round(FOCAL * 0.055 / z))
    return linear(canvas.resize((W, H), BOX))


# ---- the scene ----


def view(land: Land, trees: Array, eye: float) -> tuple[Array, Array]:
    """Return what ``eye`` sees of sky, land and forest, and the depth of it."""
    depth, image = march(land, eye), np.empty((H, W, 3))
    solid = np.isfinite(depth)
    image[~solid] = sky(ACROSS[~solid], UP[~solid])
    image[solid] = shade_land(land, depth[solid] * ACROSS[solid], depth[solid], ACROSS[solid])
    draw_forest(image, depth, trees, eye)
    return image, depth


def furnish(image: Array, depth: Array, eye: float) -> None:
    """Add what people built, and the reeds, in warm light."""
    left, bottom = W / 2 + FOCAL * (ISLE_X - 9) / ISLE_Z, HORIZON + FOCAL * eye / ISLE_Z
    stamp(image, depth, station() * WARM, left, bottom, ISLE_Z - 8)
    front = foreground(eye) * WARM
    image[:] = image * (1 - front[..., 3:]) + front[..., :3]


def fill_lake(land: Land, image: Array, depth: Array, mirror: Array, mirror_depth: Array) -> None:
    """Fill the lake with the mirrored view, shaken by ripples, over deep green water."""
    far = np.where(UP < 0, EYE / np.maximum(-UP, 1e-6), 1e9)
    wet = (UP < 0) & (depth > far * 0.985)
    wet[wet] = height(land, far[wet] * ACROSS[wet], far[wet]) < 0.02
    rows, columns = np.nonzero(wet)
    z, x, down = far[wet], far[wet] * ACROSS[wet], -UP[wet]
    gust, calm = ease(-0.2, 0.6, fbm(x / 60 + 3, z / 160 + 1, 4)), 1 / (1 + z / 500)
    ripple, shake = fbm(x / 1.9, z / 1.1, 4, 0.55), (3 + 9 * gust) * SCALE * calm
    y = 2 * HORIZON - rows + 1.6 * shake * ripple - 3 * SCALE * gust
    side = np.clip(columns + 0.4 * shake * fbm(x / 1.7 + 40, z / 2.1 + 9, 3), 0, W - 1).astype(int)
    at, shore = (np.clip(v, 0, HORIZON - 1).astype(int) for v in (y, y + 5 * SCALE))
    hidden = mirror_depth[at, side] < z * 0.97  # the islet stands before what this water mirrors
    seen = np.where(hidden[:, None], image[shore, side], mirror[at, side])
    bounce = 0.02 + 0.95 * (1 - np.clip(down + 0.05 * ripple * calm, 0.01, 1)) ** 4.5
    image[wet] = mix([0.016, 0.044, 0.050], seen * [0.90, 0.94, 0.96], bounce)


def develop(image: Array) -> Image.Image:
    """Turn light into a print: film curve, sRGB, half the size, and a grain that spares smooth zones."""
    x = np.maximum(image, 0) * 1.02
    x = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1) ** (1 / 2.2)
    x = shrink(x + 0.18 * (ease(0, 1, x) - x), W // SCALE, H // SCALE)
    busy = np.hypot(*np.gradient(x.mean(axis=2)))[..., None]
    grain = np.random.default_rng(9).normal(0, 0.012, busy.shape) * np.clip(busy * 12, 0, 1)
    return Image.fromarray((np.clip(x + grain, 0, 1) * 255 + 0.5).astype(np.uint8))


def make_scene() -> Image.Image:
    """Render the lake, its lighthouse and the mountains."""
    land = make_land()
    trees = plant(land)
    mirror, mirror_depth = view(land, trees, -EYE)
    furnish(mirror, mirror_depth, -EYE)
    image, depth = view(land, trees, EYE)
    fill_lake(land, image, depth, mirror, mirror_depth)
    furnish(image, depth, EYE)
    return develop(image)


# ---- the other pictures ----

TEACHING = """
20 20 20 20 100 100 100 100
20 20 20 20 100 100 100 100
20 60 20 20 100 100  40 100
20 20 20 20 100 100 100 100
20 20 20 60 100 100 100 100
20 20 60 100 100 100 200 100
20 20 20 20 100 100 100 100
60 60 60 60 60 60 60 60
"""
TEACHING_RGB = (  # red, green, blue
    ("01120", "22010", "10212", "02101", "12002"),
    ("20011", "01202", "12100", "00221", "21010"),
    ("11002", "00210", "21021", "10112", "02200"),
)
PAGE = (
    "A convolution asks the same small question everywhere. Nine numbers lie on nine pixels; each pair is "
    "multiplied, the products are added, and the sum becomes one pixel of the answer. Then the nine "
    "numbers move one step on.",
    "If the numbers add up to one, flat paper stays as bright as it was. If they add up to zero, flat "
    "paper turns black and only the changes remain: the stroke of a letter, the edge of a page, a speck of "
    "dust.",
    "A blur lets neighbours share their light, so thin strokes grow pale before thick ones do. Sharpening "
    "does the opposite and exaggerates what is different; too much of it puts a bright halo round every "
    "letter.",
    "Which way the kernel is read matters as soon as it is lopsided. Turned by half a circle, the slope "
    "that went up goes down, and light that fell from the left falls from the right.",
    "At the border the window hangs over the edge and somebody has to invent the missing pixels: zeros, "
    "the nearest pixel, a mirror, the far side of the page. None of these is true. Each is useful.",
)


def make_zone_plate() -> Image.Image:
    """Return cos(k r^2) about the centre; it turns by pi a pixel at the edges' midpoints."""
    x = np.arange(512) - 255.5
    wave = np.cos(np.pi / 512 * (x[:, None] ** 2 + x**2))
    return Image.fromarray(np.rint(127.5 + 127.5 * wave).astype(np.uint8))


def make_text() -> Image.Image:
    """Return a page of text, set in the font that Pillow carries, from a heading down to very small print."""
    page = Image.new("L", (800, 1000), 250)
    draw, y = ImageDraw.Draw(page), 60.0
    settings = ((44, "Nine numbers and a page"), *zip((31, 27, 23, 18, 15), PAGE, strict=True), (11, PAGE[0]))
    for size, words in settings:
        font, line = ImageFont.load_default(size=size), ""
        for word in [*words.split(), ""]:
            if line and (not word or draw.textlength(f"{line} {word}", font) > 670):
                draw.text((65, y), line, 25, font)
                y, line = y + 1.45 * size, ""
            line = f"{line} {word}".strip()
        y += 18
    return page


def make_sticker() -> Image.Image:
    """Return a round sticker with a shadow and a glass dot; the colour under fully clear pixels is garish."""
    x, y = np.meshgrid(np.arange(512) - 255.5, np.arange(512) - 255.5)
    colour, alpha = np.zeros((512, 512, 3)), np.zeros((512, 512))

    def lay(paint: Any, cover: Array) -> None:
        """Lay paint over what is there; ``colour`` is kept multiplied by alpha."""
        colour[:] = mix(colour, paint, cover)
        alpha[:] = alpha + (1 - alpha) * cover

    lay([0, 0, 0], 0.5 * ease(240, 204, np.hypot(x - 4, y - 10)))
    lay([250, 248, 240], np.clip(222 - np.hypot(x, y), 0, 1))
    lay(mix([20, 120, 140], [40, 60, 130], (x + y) / 800 + 0.5), np.clip(202 - np.hypot(x, y), 0, 1))
    for row, column in np.ndindex(3, 3):  # the blur kernel 1 2 1, 2 4 2, 1 2 1 as squares
        a, b = abs(x - 92 * (column - 1)), abs(y - 92 * (row - 1))
        outside = np.hypot(np.maximum(a - 26, 0), np.maximum(b - 26, 0)) - 12
        weight = (2 - abs(row - 1)) * (2 - abs(column - 1)) / 4
        lay(mix([60, 150, 170], [255, 214, 90], np.array(weight)), np.clip(0.5 - outside, 0, 1))
    glass = 0.6 * np.clip(75 - np.hypot(x - 140, y - 140), 0, 1)
    colour, alpha = colour * (1 - glass[..., None]), alpha * (1 - glass)
    lay([235, 80, 70], 0.45 / 0.6 * glass * ease(90, 20, np.hypot(x - 150, y - 150)))
    hidden = np.where(((x // 16 + y // 16) % 2 == 0)[..., None], [255, 0, 255], [0, 255, 0])
    clear = np.rint(alpha * 255)[..., None] == 0
    straight = np.where(clear, hidden, colour / np.maximum(alpha, 1e-9)[..., None])
    return Image.fromarray(np.rint(np.dstack([straight, alpha * 255])).clip(0, 255).astype(np.uint8), "RGBA")


def make_ramp() -> Image.Image:
    """Return a 16-bit ramp with rings and a number fainter than a tenth of an 8-bit step."""
    x, y = np.meshgrid(np.arange(512.0), np.arange(256.0))
    sign = Image.new("L", (512, 256))
    ImageDraw.Draw(sign).text((300, 50), "16", 255, ImageFont.load_default(size=150))
    rings = np.cos(np.hypot(x - 140, y - 128) / 4) * ease(110, 60, np.hypot(x - 140, y - 128))
    level = 24576 + 32 * x + 12 * rings + np.asarray(sign) / 255 * 24
    return Image.fromarray(np.rint(level).astype(np.uint16))


def main() -> None:
    """Write every sample image beside this script."""
    Image.fromarray(np.array(TEACHING.split(), np.uint8).reshape(8, 8)).save(HERE / "teaching.png")
    planes = [[list(row) for row in plane] for plane in TEACHING_RGB]
    small = np.ascontiguousarray(np.array(planes).astype(np.uint8).transpose(1, 2, 0))
    np.save(HERE / "teaching-rgb.npy", small)
    Image.fromarray(small).save(HERE / "teaching-rgb.png")
    make_zone_plate().save(HERE / "zone-plate.png", optimize=True)
    make_text().save(HERE / "text.png", optimize=True)
    make_sticker().save(HERE / "sticker.png", optimize=True)
    make_ramp().save(HERE / "ramp-16bit.png", optimize=True)
    scene = make_scene()
    scene.save(HERE / "scene.png", optimize=True)
    scene.save(HERE / "scene.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
