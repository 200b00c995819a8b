"""Every command of ``recorded`` leaves what it left when it was recorded: bytes, text and exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import record_outputs, recorded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs."""
    made = tmp_path_factory.mktemp("recorded")
    recorded.make_inputs(made)
    return made


RECORDED = recorded.recorded()


def test_all_commands_are_recorded() -> None:
    assert list(RECORDED) == list(recorded.COMMANDS)


@pytest.mark.parametrize("command", recorded.COMMANDS)
def test_outputs_are_as_recorded(command: str, folder: Path) -> None:
    assert record_outputs.run(command, folder) == RECORDED[command]
