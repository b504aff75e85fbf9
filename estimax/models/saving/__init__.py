"""Saving and loading: `.keras` archives, `.weights.h5`, `.safetensors`, JSON. No code is ever read from a file."""

from estimax.models.saving.archive import load_model, save_model
from estimax.models.saving.config import model_from_json
from estimax.models.saving.weights import load_weights, save_weights

__all__ = ["load_model", "load_weights", "model_from_json", "save_model", "save_weights"]
