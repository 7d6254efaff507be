"""Deterministic rows of a clinic that never was: the same seed gives the same rows, to the byte."""

from dental_etl.sandbox.synthetic.simulation import generate
from dental_etl.sandbox.synthetic.world import Row, World

__all__ = ["Row", "World", "generate"]
