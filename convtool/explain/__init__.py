"""The arithmetic of one real run, laid open: as a model, as text, as an animation and as JSON for a page."""

from __future__ import annotations

from convtool.explain.making import explain
from convtool.explain.model import Explanation
from convtool.explain.record import to_json

__all__ = ["Explanation", "explain", "to_json"]
