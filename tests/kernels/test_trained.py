"""A trained layer on a photograph, through the command line: torch's answer, recorded, and the definition."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from tests.support import naive, trained

Array = NDArray[Any]
RECORD = json.loads((Path(__file__).parents[1] / "data" / "trained.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=trained.NETS)
def maps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Array]:
    """The name of a network, and all maps of its first layer as the command writes them, (N, 510, 510)."""
    net = str(request.param)
    folder = tmp_path_factory.mktemp(net)
    weight, bias = trained.first_layer(net)
    save_file({"conv1": weight, "bias1": bias}, folder / f"{net}.safetensors")
    Image.fromarray(trained.photograph()).save(folder / "photo.png")
    file = f"{net}.safetensors"
    command = [sys.executable, "-m", "convtool", "apply", "photo.png", "-k", f"{file}#conv1"]
    command += ["--bias-from", f"{file}#bias1", "--mean", "127.5", "--std", "128", "-p", "0", "-f", "npy"]
    subprocess.run(command, cwd=folder, check=True)
    paths = [folder / f"photo_conv1-{n:02}.npy" for n in range(len(weight))]
    assert sorted(folder.glob("*.npy")) == paths
    return net, np.stack([np.load(path) for path in paths])


def test_torch_as_recorded(maps: tuple[str, Array]) -> None:
    net, y = maps
    expected = np.array(RECORD[net])
    found = trained.sample(y)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_definition(maps: tuple[str, Array]) -> None:
    net, y = maps
    weight, bias = trained.first_layer(net)
    x = trained.scaled()
    expected = naive.correlate(x, weight, naive.Layer()) + bias.astype(np.float64)[:, None, None]
    assert y.shape == expected.shape
    allowed = 2 * naive.allowance(x, weight, naive.Layer()) + 2.0**-22 * np.abs(bias)[:, None, None]
    assert (np.abs(y - expected) <= allowed).all()


def test_the_weights_are_trained() -> None:
    """Filters of a network that has seen faces: none empty, none like another, not the noise they began with."""
    weight, bias = trained.first_layer("pnet")
    flat = weight.reshape(len(weight), -1)
    likeness = np.corrcoef(flat) - np.eye(len(flat))
    assert np.abs(flat).max(axis=1).min() > 0.05
    assert np.abs(likeness).max() < 0.95
    assert np.abs(bias).max() > 0
