"""Exported models: StableHLO, weights and feature transform in one folder; loading and serving them."""

from estimax.export.load import Predictor, load
from estimax.export.save import save, timestamped
from estimax.export.signature import Signature, describe_column, signatures_of

__all__ = ["Predictor", "Signature", "describe_column", "load", "save", "signatures_of", "timestamped"]
