"""Configs of layers inside layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.core import deserialize, plain, serialize


def nested_config(layer: Any) -> Any:
    """The config of a layer that is an argument of another one: with the shapes it was built for, as Keras writes it."""
    config = serialize(layer)
    shapes = layer.get_build_config() if hasattr(layer, "get_build_config") else None
    return {**config, "build_config": plain(shapes)} if shapes else config


def nested_layer(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer of such a config. It is built with the layer around it, so that its paths begin with that one's; until then
    it only remembers the shapes."""
    layer = deserialize(config, custom_objects)
    if isinstance(config, Mapping) and config.get("build_config") and hasattr(layer, "_build_shapes"):
        layer._build_shapes = dict(config["build_config"])
    return layer
