"""Inputs gone wrong, each from its number and seed alone."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features

from tests.support.pictures import noise, png16

KERNELS = Path(__file__).parents[3] / "kernels"
SPECS = ("sobel", "gaussian:sigma=2", "box:size=3", "sobel-x@90", "0 -1 0; -1 5 -1; 0 -1 0", "k.yaml#a", "identity")
OPTIONS = (
    ("--stride", "2x1"), ("--pad", "1,2,3,4"), ("--border", "constant=3"), ("--dilation", "2"), ("--bias", "-1.5"),
    ("--range", "abs:1/4"), ("--merge", "magnitude"), ("--dtype", "float32"), ("--quality", "50"),
    ("--compress", "small"), ("--channels", "luma"), ("--alpha", "drop"), ("--verify", "3"), ("--format", "tif"),
)  # fmt: skip
ODD = "0123456789-+.eExX@:#=;,/ \\\n\0\x1b[]{}'\"%éInfNaN_"


class Case(NamedTuple):
    """Files of a case, its command, and what it is called."""

    name: str
    files: dict[str, bytes]
    arguments: list[str]


@cache
def originals() -> dict[str, bytes]:
    """Sound files of each format that is read."""
    grey, rgb, rgba = (Image.fromarray(noise(*shape)) for shape in ((9, 11), (9, 11, 3), (9, 11, 4)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    found: dict[str, bytes] = {}

    def add(name: str, image: Image.Image, form: str, **options: Any) -> None:
        buffer = io.BytesIO()
        if "save_all" in options:  # Pillow remembers options in the images
            options["append_images"] = [image.rotate(180), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
        image.copy().save(buffer, form, **options)
        found[name] = buffer.getvalue()

    more = {"save_all": True}
    add("grey.png", grey, "PNG")
    add("rgba.png", rgba, "PNG")
    add("palette.png", rgb.quantize(8), "PNG", transparency=3)
    add("key.png", rgb, "PNG", transparency=(1, 2, 3))
    add("exif.png", rgb, "PNG", exif=exif)
    add("deep.png", Image.fromarray(noise(9, 11, dtype="uint16")), "PNG")
    add("frames.png", rgb, "PNG", **more)
    found["deep-rgb.png"] = png16(noise(9, 11, 3, dtype="uint16"))
    add("baseline.jpg", rgb, "JPEG", exif=exif)
    add("progressive.jpg", rgb, "JPEG", progressive=True)
    add("mpo.jpg", rgb, "MPO", **more)
    for pack in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        add(f"{pack}.tif", rgb, "TIFF", compression=pack)
    add("pages.tif", rgb, "TIFF", **more)
    add("deep.tif", Image.fromarray(noise(9, 11, dtype="uint16")), "TIFF")
    add("float.tif", Image.fromarray(noise(9, 11, dtype="float32")), "TIFF")
    add("a.webp", rgba, "WEBP")
    add("frames.webp", rgb, "WEBP", **more)
    add("frames.gif", rgb, "GIF", **more)
    add("a.bmp", rgb, "BMP")
    add("a.ppm", rgb, "PPM")
    add("a.ico", rgba.resize((16, 16)), "ICO")
    if features.check("avif"):
        add("a.avif", rgb, "AVIF")
    buffer = io.BytesIO()
    np.save(buffer, noise(9, 11, 3))
    found["a.npy"] = buffer.getvalue()
    return found


@cache
def banks() -> dict[str, bytes]:
    """Weights in NumPy's files."""
    weights = noise(3, 3, dtype="float32")
    plain, packed = io.BytesIO(), io.BytesIO()
    np.save(plain, weights)
    np.savez_compressed(packed, one=weights)
    return {"k.npy": plain.getvalue(), "k.npz": packed.getvalue()}


@cache
def cuts() -> list[tuple[str, int]]:
    """Every length to 1,000 of every file."""
    return [(name, size) for name, data in originals().items() for size in range(min(len(data), 1001))]


def _mutated(random_: random.Random, data: bytes) -> bytes:
    work = bytearray(data)
    how = random_.randrange(4)
    if how == 0:
        for _ in range(random_.choice((1, 1, 2, 8))):
            work[random_.randrange(len(work))] ^= 1 << random_.randrange(8)
    elif how == 1:
        at = random_.randrange(len(work))
        run = random_.randrange(1, 9)
        work[at : at + run] = random_.choice((b"\0", b"\xff", b"\x7f", random_.randbytes(1))) * run
    elif how == 2:
        del work[random_.randrange(len(work)) :]
    else:
        other = random_.choice(list(originals().values()))
        work[random_.randrange(len(work)) :] = other[random_.randrange(len(other)) :]
    return bytes(work)


def _chunks(random_: random.Random, data: bytes) -> bytes:
    at, parts = 8, []
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        parts.append((size, data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    index = random_.randrange(len(parts))
    size, kind, body = parts[index]
    how = random_.randrange(5)
    if how == 0:
        parts[index] = random_.choice((0, 1, size + 1, 2**31 - 1, 2**32 - 1)), kind, body
    elif how == 1:
        parts[index] = size, random_.choice((b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"zzzz")), body
    elif how == 2:
        random_.shuffle(parts)
    elif how == 3:
        parts.insert(random_.randrange(len(parts)), parts[index])
    elif body:
        parts[index] = size, kind, _mutated(random_, body)
    mend = random_.random() < 0.7
    return data[:8] + b"".join(
        struct.pack(">I", size) + kind + body + (struct.pack(">I", zlib.crc32(kind + body)) if mend else b"\1\2\3\4")
        for size, kind, body in parts
    )


def _worded(random_: random.Random, text: str) -> str:
    for _ in range(random_.choice((1, 1, 2, 4))):
        at = random_.randrange(len(text) + 1)
        text = text[:at] + random_.choice(ODD) * random_.choice((0, 1, 1, 3)) + text[at + random_.randrange(2) :]
    return text.replace("\0", "")  # no argument can hold one


def make_case(kind: str, number: int, seed: int) -> Case:
    """The case of a kind, number and seed: always the same."""
    random_ = random.Random(f"{kind} {number} {seed}")
    name, size = cuts()[number % len(cuts())] if kind == "cut" else (random_.choice(list(originals())), 0)
    if kind == "chunks":
        name = random_.choice([each for each in originals() if each.endswith(".png")])
    data, kernel, options = originals()[name], "identity", ["--lenient"] * (random_.random() < 0.25)
    files: dict[str, bytes] = {}
    if kind == "cut":
        data = data[:size]
    elif kind == "bytes":
        data = _mutated(random_, data)
    elif kind == "chunks":
        data = _chunks(random_, data)
    elif kind == "kernels":
        name, data = "grey.png", originals()["grey.png"]
        kernel = random_.choice(("k.yaml", "k.yaml", "k.npy", "k.npz"))
        whole = random_.choice(sorted(KERNELS.glob("*.yaml"))).read_bytes() if kernel == "k.yaml" else banks()[kernel]
        files[kernel] = _mutated(random_, whole)
    else:
        name, data = "rgba.png", originals()["rgba.png"]
        files["k.yaml"] = b"a: [[1, 2], [3, 4]]\n"
        kernel = _worded(random_, random_.choice(SPECS)) if random_.random() < 0.5 else "sobel"
        for option, value in random_.sample(OPTIONS, 2):
            options.append(f"{option}={_worded(random_, value) if random_.random() < 0.5 else value}")
    files[name] = data
    suffix = "npy" if kind == "kernels" else random_.choice(("png", "tif", "npy", "webp"))
    arguments = ["apply", name, f"--kernel={kernel}", "-o", f"out/{{index}}{{map}}.{suffix}", *options]
    return Case(f"--kind {kind} --number {number} --seed {seed} ({name})", files, arguments)


KINDS = {"cut": 0.45, "bytes": 0.25, "chunks": 0.1, "kernels": 0.1, "options": 0.1}
