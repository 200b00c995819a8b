"""Make the pictures of the README from the sample scene: ``make pictures``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from convtool import apply
from convtool.explain import explain
from convtool.explain.animation import animation
from convtool.explain.demos import load_demo
from convtool.explain.stepping import steps_of
from convtool.kernels.library import Library
from convtool.layers.plan import plan_stack
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, make_stack
from convtool.pictures.picture import picture_from_array
from convtool.sheets.cells import cells
from convtool.sheets.sheet import write_sheet
from tests.support.trained import first_layer

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 400


def shown(samples: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], name: str) -> None:
    """Write a map at the README's width; a JPEG is enough to look at."""
    image = Image.fromarray(samples)
    height = round(image.height * WIDTH / image.width)
    image.resize((WIDTH, height), Image.Resampling.LANCZOS).save(PICTURES / f"{name}.jpg", quality=88)


def main() -> None:
    """Make every picture."""
    PICTURES.mkdir(exist_ok=True)
    scene = Image.open(ROOT / "sample_images" / "scene.png").convert("RGB")
    shown(np.asarray(scene), "scene")
    shown(apply(scene, "sobel", merge="magnitude", channels="luma", dtype="uint8")["sobel"], "sobel")
    shown(apply(scene, "gaussian:sigma=6", dtype="uint8")["gaussian-sigma6"], "gaussian")
    shown(apply(scene, "sharpen", dtype="uint8")["sharpen"], "sharpen")
    shown(apply(scene, "emboss", channels="luma", dtype="uint8")["emboss"], "emboss")
    shown(apply(scene, "edge", dtype="uint8")["edge"], "edge")
    demo = load_demo("rgb")
    layer = explain(demo.picture, Library().load_all(demo.kernels), demo.settings, name=demo.file, demo=demo.name)
    (PICTURES / "layer.gif").write_bytes(animation(layer, steps_of(layer, "--animate"), gif=True))
    sheet(scene)
    trained()


def trained() -> None:
    """The contact sheet of a trained first layer, by the command itself."""
    weights, biases = first_layer("rnet")
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "rnet.npz"), conv1=weights, bias1=biases)
        shutil.copy(ROOT / "sample_images" / "scene.png", folder)
        command = (
            "apply scene.png -k rnet.npz#conv1 --bias-from rnet.npz#bias1 --mean 127.5 --std 128 -p 0 --sheet -o maps/"
        )
        subprocess.run([sys.executable, "-m", "convtool", *command.split()], cwd=folder, check=True)
        Image.open(Path(folder, "maps", "scene_sheet.png")).convert("RGB").save(PICTURES / "trained.jpg", quality=85)


def sheet(scene: Image.Image) -> None:
    """The contact sheet of the README: eight directions, signed."""
    picture = picture_from_array(np.asarray(scene))
    layers = [Layer(tuple(Library().load_all(["kirsch"])), Settings(channels="luma"))]
    plan = plan_stack(make_stack(layers), picture.layout)
    with tempfile.TemporaryFile() as file:
        write_sheet(cells("scene.png", picture, plan, {}, side=240), file)
        Image.open(file).save(PICTURES / "sheet.jpg", quality=90)


if __name__ == "__main__":
    main()
