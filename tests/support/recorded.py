"""A few hundred runs of the command line, and what each of them leaves: exit code, text and files, as SHA-256.

``tests/data/recorded_outputs.json`` holds what they left when ``python -m tests.support.record_outputs`` made it. A
change that is not meant to change results leaves all of it as it is.

Files are recorded by what they say, not by how they are packed, so that another release of a codec does not matter:
of PNG the unpacked rows and all other chunks, of other pictures what Pillow reads, of the rest the bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageSequence

from tests.support.pictures import noise, saved, srgb_profile

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "data" / "recorded_outputs.json"
SAMPLES = ROOT / "sample_images"

Entry = dict[str, Any]

NAMES = """
identity shift-n shift-s shift-e shift-w four-views blur box gaussian binomial pyramid disk motion luma opponent-rg
opponent-by colour-edge edge sobel scharr prewitt farid central roberts frei-chen kirsch robinson laplacian-4
laplacian-8 laplacian-5x5 log dog teaching-layer emboss emboss-compass outline contour sharpen sharpen-8 unsharp
high-boost edge-enhance detail lines gabor gabor-bank laws laws-s5w5 line-45
"""


def make_inputs(folder: Path) -> None:
    """The pictures that the runs filter, in a folder of their own."""
    here = f"{folder}/"
    profile = bytearray(srgb_profile())
    profile[24:36] = bytes(12)  # when it was made
    saved(here + "grey.png", noise(23, 31, seed=1))
    saved(here + "colour.png", noise(19, 27, 3, seed=2))
    saved(here + "alpha.png", noise(17, 21, 4, seed=3), icc_profile=bytes(profile), dpi=(96, 96))
    saved(here + "greyalpha.png", Image.fromarray(noise(13, 22, 2, seed=4), "LA"))
    saved(here + "deep.png", noise(15, 18, dtype="uint16", seed=5))
    saved(here + "bits.png", Image.fromarray(noise(16, 24, seed=6)).convert("1"))
    palette = Image.fromarray(noise(20, 20, 3, seed=7)).quantize(16)
    saved(here + "palette.png", palette)
    saved(here + "clear.png", palette, transparency=3)
    saved(here + "one.png", noise(1, 1, 3, seed=8))
    saved(here + "line.png", noise(1, 40, seed=9))
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(here + "turned.jpg", Image.open(SAMPLES / "scene.png").convert("RGB").crop((10, 20, 74, 60)), exif=exif)
    saved(here + "colour.tif", noise(14, 12, 3, seed=10), compression="tiff_lzw")
    saved(here + "float.tif", noise(14, 12, dtype="float32", seed=11))
    saved(here + "colour.bmp", noise(9, 11, 3, seed=12))
    saved(here + "colour.ppm", noise(9, 11, 3, seed=13))
    saved(here + "colour.webp", noise(12, 16, 3, seed=14), lossless=True)
    frames = [Image.fromarray(noise(10, 12, seed=20 + at)) for at in range(3)]
    saved(here + "moving.gif", frames[0], save_all=True, append_images=frames[1:], duration=70, loop=0)
    saved(here + "moving.png", frames[0], save_all=True, append_images=frames[1:], duration=70, loop=0)
    saved(here + "pages.tif", frames[0], save_all=True, append_images=frames[1:])
    np.save(here + "float.npy", noise(16, 20, 3, dtype="float32", seed=15) * 4 - 1)
    np.save(here + "whole.npy", noise(12, 14, dtype="uint16", seed=16))
    np.save(here + "bias.npy", np.array([0.5, -1.0], dtype=np.float32))
    np.save(here + "layer.npy", noise(4, 3, 3, 3, dtype="float32", seed=17) - 0.5)
    (folder / "many" / "below").mkdir(parents=True)
    for at in range(3):
        saved(f"{here}many/{at}.png", noise(10 + at, 12, 3, seed=30 + at))
    saved(here + "many/below/deeper.png", noise(8, 9, seed=40))
    (folder / "many" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (folder / "own.yaml").write_text(
        "glow: {summary: A glow, weights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], scale: 1/16, bias: 10}\n"
        "tilt: {summary: A slope, weights: [[-1, 0], [0, 1]], range: shift}\n",
        encoding="utf-8",
    )
    (folder / "stack.yaml").write_text(
        "layers:\n"
        "- {kernels: [sobel], activation: relu, pool: 'max:2'}\n"
        "- {kernels: ['gaussian:sigma=1'], border: replicate}\n",
        encoding="utf-8",
    )


def commands() -> Iterator[str]:
    """The runs, as they would be typed after ``convtool``; OUT stands for a folder that is recorded."""
    apply = "apply {} -o OUT/ -q {}"
    for name in NAMES.split():
        yield apply.format("colour.png", f"-k {name}")
        yield apply.format("colour.png", f"-k {name} -f npy")
    for spec in ("gaussian:sigma=2.5", "box:size=4", "motion:length=9,angle=30", "sobel-x@90", "own.yaml#tilt",
                 "own.yaml", "'1 2; 3 4'", "disk:radius=9", "layer.npy", "gabor:theta=30,wavelength=8"):  # fmt: skip
        yield apply.format("colour.png grey.png", f"-k {spec}")
    for border in ("zeros", "constant=9", "replicate", "reflect", "symmetric", "circular"):
        for pad in ("same", "full", "2", "1x3", "3,0,1,2"):
            yield apply.format("grey.png line.png", f"-k laplacian-5x5 -b {border} -p {pad} --range shift")
    for window in (
        "-s 2",
        "-s 3x2 -p 1",
        "-p valid",
        "-p 0 --dilation 2",
        "--dilation 1x3 -s 2",
        "--flip",
        "-p valid -s 4",
    ):
        yield apply.format("colour.png", f"-k sobel -k 'gaussian:size=5' {window}")
        yield apply.format("alpha.png deep.png", f"-k emboss {window} --range abs")
    for name in ("clip", "abs", "shift", "stretch", "symmetric", "raw", "abs:1/4", "clip:2", "shift:0.3"):
        yield apply.format("grey.png deep.png float.npy", f"-k scharr-x -k 'gaussian:sigma=1' --range {name}")
        for dtype in ("uint8", "uint16", "float32"):
            yield apply.format("grey.png deep.png", f"-k sobel-x --range {name} --dtype {dtype} -f npy")
    for merge in ("magnitude", "max", "mean", "sum"):
        for more in ("", "--bias 3.5", "--channels luma", "--range stretch"):
            yield apply.format("colour.png", f"-k sobel -k kirsch --merge {merge} {more}")
    for channels in ("each", "sum", "luma", "r", "g", "b", "a"):
        yield apply.format("alpha.png", f"-k unsharp -k sobel-y --channels {channels}")
    for alpha in ("weighted", "keep", "filter", "drop"):
        for picture in ("alpha.png", "greyalpha.png", "clear.png"):
            yield apply.format(picture, f"-k 'gaussian:sigma=1.5' -k sobel-x --alpha {alpha}")
        yield apply.format("alpha.png", f"-k sharpen --alpha {alpha} -s 2 -p 1 -f tif")
    for picture in ("grey.png", "colour.png", "alpha.png", "deep.png", "float.tif", "turned.jpg"):
        for suffix in ("png", "jpg", "tif", "webp", "bmp", "ppm", "npy"):
            yield apply.format(picture, f"-k sharpen -f {suffix}")
    for picture in ("bits.png", "palette.png", "clear.png", "greyalpha.png", "one.png", "line.png", "colour.tif",
                    "colour.bmp", "colour.ppm", "colour.webp", "moving.gif", "moving.png", "pages.tif", "whole.npy",
                    "float.npy"):  # fmt: skip
        yield apply.format(picture, "-k blur -k sobel-x")
    for more in ("--quality 40 -f jpg", "--compress small", "--compress 0", "--compress 9", "--linear --bias 9",
                 "--scale 1/255 --mean 0.5 --std 0.25 --range raw", "--order bgr", "--bias 12", "-j 2"):  # fmt: skip
        yield apply.format("colour.png turned.jpg", f"-k 'gaussian:sigma=1' -k opponent-rg {more}")
    for stack in ("edges", "blobs", "look", "stack.yaml"):
        yield apply.format("colour.png", f"--stack {stack}")
        yield apply.format("colour.png", f"--stack {stack} -f npy")
        yield f"plan 40x50x3 --stack {stack}"
        yield f"plan 40x50x3 --stack {stack} --json"
        yield f"apply colour.png --stack {stack} -o OUT/ --dry-run"
    for layers in ("-k sobel --activation relu --then gaussian:sigma=1 --activation tanh", "-k sobel --pool max:2",
                   "-k sobel --pool avg:3:2 --activation abs", "-k sobel --activation leaky:0.1 --range raw",
                   "-k sobel --activation sigmoid --range raw", "-k layer.npy --maps 0,2-3", "-k gabor-bank --maps 1",
                   "-k sobel --bias-from bias.npy", "-k sobel --merge magnitude --then blur --pool max:2",
                   "-k sobel --then sobel --then sobel", "-k layer.npy --groups 1 --maps 1"):  # fmt: skip
        yield apply.format("colour.png", layers)
        yield f"plan colour.png {layers}"
        yield f"apply colour.png -o OUT/ {layers} --dry-run --json"
        for language in ("numpy", "scipy", "opencv", "torch"):
            yield f"apply colour.png -o OUT/ {layers} --as {language}"
    for language in ("numpy", "scipy", "opencv", "torch"):
        for run in (
            "-k sobel",
            "-k gaussian:sigma=2 -s 2 -b zeros",
            "-k sharpen --alpha drop",
            "-k box --range abs:1/2",
        ):
            yield f"apply colour.png -o OUT/ {run} --as {language}"
    yield apply.format("colour.png grey.png", "-k sobel -k blur --sheet")
    for naming in ("OUT/{stem}-{map}.{ext}", "OUT/{parent}/{index}-{kernel}.{ext}", "OUT/{stem}{suffix}"):
        yield f"apply many --recursive -k sobel -k blur -o '{naming}'"
    yield "apply many -k blur -o OUT/ --lenient"
    for more in ("--json", "--verify 20", "--json --verify 5", "--dry-run", "--dry-run --json", "-v -j 1"):
        yield f"apply colour.png alpha.png deep.png -k sobel -k 'gaussian:sigma=1' -o OUT/ {more}"
        yield f"apply many --recursive -k sobel -o OUT/ {more}"
    for wrong in ("-k sobl", "-k gaussian:sgima=2", "-k sobel -p x", "-k sobel -b mirror", "-k sobel --range abs:0",
                  "-k sobel -o {nope}.png", "-k own.yaml#glwo", "-k sobel -s 0", "-k sobel --merge max --dtype uint7",
                  "-k teaching-layer --channels each", "--stack nope", "-k '1 2; 3'", "-k sobel --pool min:2",
                  "-k box:size=99 -p 0", "-k layer.npy#w", "-k sobel --mean 1,2 --channels luma"):  # fmt: skip
        yield f"apply colour.png {wrong}"
    for place in ("--at 0,0", "--at 5,7", "", "--at 3,3 --at 9,9", "--lang zh --at 4,4"):
        for run in ("grey.png -k sobel-x", "colour.png -k teaching-layer", "alpha.png -k blur -s 2", "--demo 8x8",
                    "--demo rgb", "grey.png -k sobel --merge magnitude --range abs -b constant=3"):  # fmt: skip
            yield f"explain {run} {place}"
    for page in ("page.html", "page.html --lang zh", "slide.gif", "slide.png"):
        way = "--html" if "html" in page else "--animate"
        yield f"explain --demo 8x8 {way} OUT/{page}"
        yield f"explain colour.png -k four-views --crop 2,3,5,4 --channels luma {way} OUT/{page}"
    for name in ("sobel-x", "gaussian:sigma=2", "four-views", "gabor", "teaching-layer", "own.yaml", "laws"):
        yield f"kernels show {name}"
    yield from (
        "kernels",
        "kernels stacks",
        "kernels check own.yaml",
        "kernels check stack.yaml",
        "plan 8x8 -k sharpen -p 0",
    )


COMMANDS = tuple(dict.fromkeys(" ".join(command.split()) for command in commands()))


def recorded() -> dict[str, Entry]:
    """What the runs left when they were recorded."""
    found: dict[str, Entry] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def entry(code: int, out: str, err: str, folder: Path) -> Entry:
    """What a run left: its exit code, its text, and the files below ``folder``."""
    files = {
        str(path.relative_to(folder)): _digest(content_of(path.suffix, path.read_bytes()))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {"code": code, "out": _digest(_steady(out).encode()), "err": _digest(_steady(err).encode()), "files": files}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _steady(text: str) -> str:
    """Text without what differs from run to run: times, sizes of memory, and what computes."""
    text = re.sub(r"engine: .*", "engine: E", text)
    text = re.sub(r'"(seconds|elapsed)": [0-9.e-]+', r'"\1": T', text)
    return re.sub(r"\b[0-9]+(\.[0-9]+)? ?(ms|s|MB|MiB|GB|pictures/s|images/s)\b", "T", text)


def content_of(suffix: str, content: bytes) -> bytes:
    """What a file says, apart from how it is packed."""
    if suffix == ".png":
        return b"".join(_chunks(content))
    if suffix in (".html", ".svg"):
        return re.sub(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", _embedded, content)
    if suffix == ".tif":  # of which Pillow cannot read all
        with tifffile.TiffFile(io.BytesIO(content)) as pages:
            return b"".join(
                f"{page.photometric} {page.shape}".encode() + page.asarray().tobytes() for page in pages.pages
            )
    if suffix in (".jpg", ".webp", ".gif"):
        with Image.open(io.BytesIO(content)) as image:
            kept = {key: str(image.info[key]) for key in sorted(map(str, image.info)) if key not in ("jfif_unit",)}
            frames = [np.asarray(frame).tobytes() for frame in ImageSequence.Iterator(image)]
            return f"{image.format} {image.mode} {image.size} {kept} {dict(image.getexif())}".encode() + b"".join(
                frames
            )
    return content


def _embedded(found: re.Match[bytes]) -> bytes:
    return hashlib.sha256(b"".join(_chunks(base64.b64decode(found[1])))).hexdigest().encode()


def _chunks(png: bytes) -> Iterator[bytes]:
    """The chunks of a PNG file, rows unpacked and put together."""
    at, packed = 8, {b"IDAT": b"", b"fdAT": b""}
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        if kind in packed:
            packed[kind] += data[4 * (kind == b"fdAT") :]
        else:
            for rows in filter(None, packed.values()):
                yield zlib.decompress(rows)
            packed = dict.fromkeys(packed, b"")
            yield kind + data
        at += 12 + size
