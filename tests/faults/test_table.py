"""The table of faults names tests that exist, for every section of the contract."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TABLE = TESTS.parent / "docs" / "faults.md"
SECTIONS = {"Image input": 37, "Kernel definitions": 21, "Outputs": 13, "Pipes": 10, "Batch": 30}
"""Rows that the contract has at least."""
NAMED = re.compile(r"`(\w+/test_\w+\.py)::(test_\w+)(?:\[([\w-]+)\])?`")


def rows() -> dict[str, list[list[str]]]:
    """Cells of every row, by section."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
            found[section] = []
        elif line.startswith("| ") and not line.startswith("| fault |"):
            found[section].append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def defined_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_section_has_its_rows() -> None:
    found = rows()
    assert list(found) == list(SECTIONS)
    assert all(len(found[section]) >= least for section, least in SECTIONS.items())
    names = [cells[0] for section in found.values() for cells in section]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_names_tests_that_exist(section: str) -> None:
    for fault, happens, tests in rows()[section]:
        assert happens, fault
        named = NAMED.findall(tests)
        assert named, f"{fault}: no test"
        assert NAMED.sub("", tests).strip() == "", f"{fault}: what is {tests!r}?"
        for file, name, case in named:
            assert name in defined_in(file), f"{fault}: there is no {file}::{name}"
            assert not case or (TESTS / "data" / "kernels" / "bad" / f"{case}.yaml").exists(), f"{fault}: no {case}"
