"""The two routes into a picture, by the codecs of the extra and by Pillow, compared."""

from __future__ import annotations

import numpy as np
import pytest

from convtool.errors import InputError
from convtool.pictures import codecs
from convtool.pictures.limits import Limits
from convtool.pictures.picture import Picture
from convtool.pictures.reader import read_picture

STRICT = Limits()


def usual(monkeypatch: pytest.MonkeyPatch, data: bytes, limits: Limits = STRICT) -> Picture | str:
    """A picture, or why it cannot be read, by Pillow's route."""
    with monkeypatch.context() as patch:
        patch.setattr(codecs, "have", lambda _: False)
        return outcome(data, limits)


def outcome(data: bytes, limits: Limits = STRICT) -> Picture | str:
    try:
        return read_picture(data, limits)
    except InputError as error:
        return str(error)


def assert_alike(found: Picture | str, expected: Picture | str) -> None:
    if isinstance(found, str) or isinstance(expected, str):
        assert found == expected
        return
    assert found.layout == expected.layout
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert found.metadata == expected.metadata
    assert found.notes == expected.notes
