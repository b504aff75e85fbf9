"""Keras-like models: Sequential, functional and subclassed; compile, fit, save."""

from estimax.models.clone import clone_model
from estimax.models.functional import Functional
from estimax.models.model import Model
from estimax.models.saving import load_model, model_from_json, save_model
from estimax.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
