"""What `keras.config` tells: here these are constants. There are no settings of the process; each has its place where it is needed."""

from __future__ import annotations

from typing import Any

from estimax.core import DTypePolicy, floatx
from estimax.core.formulas.shapes import EPSILON

_INSTEAD = {
    "set_dtype_policy": "pass dtype='mixed_bfloat16' (or another policy) to the layers",
    "set_floatx": "pass dtype= to the layers; float64 needs JAX's x64: jax.config.update('jax_enable_x64', True)",
    "set_epsilon": "pass epsilon= to the layers and optimizers that have one",
    "set_image_data_format": "pass data_format='channels_first' to the layers",
    "set_backend": "the backend is JAX",
    "enable_unsafe_deserialization": "code in files is never run; name functions by custom_objects",
    "enable_flash_attention": "pass flash_attention= to ops.dot_product_attention",
    "disable_flash_attention": "pass flash_attention= to ops.dot_product_attention",
    "is_flash_attention_enabled": "pass flash_attention= to ops.dot_product_attention",
    "enable_interactive_logging": "pass verbose= to fit, evaluate and predict",
    "disable_interactive_logging": "pass verbose=0 to fit, evaluate and predict",
    "is_interactive_logging_enabled": "pass verbose= to fit, evaluate and predict",
    "set_max_epochs": "pass epochs= to fit",
    "max_epochs": "pass epochs= to fit",
    "set_max_steps_per_epoch": "pass steps_per_epoch= to fit",
    "max_steps_per_epoch": "pass steps_per_epoch= to fit",
    "enable_traceback_filtering": "tracebacks are whole",
    "disable_traceback_filtering": "tracebacks are whole",
    "is_traceback_filtering_enabled": "tracebacks are whole",
}


def backend() -> str:
    """`"jax"`. Reference: keras.config.backend."""
    return "jax"


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none, float32. Reference: keras.config.dtype_policy."""
    return DTypePolicy()


def epsilon() -> float:
    """The small number that losses and normalizing functions use, 1e-7. Reference: keras.config.epsilon."""
    return EPSILON


def image_data_format() -> str:
    """`"channels_last"`, of layers that are given none. Reference: keras.config.image_data_format."""
    return "channels_last"


def __getattr__(name: str) -> Any:
    if name in _INSTEAD:
        raise AttributeError(
            f"module 'estimax.config' has no attribute {name!r}: there are no settings of the process; {_INSTEAD[name]}."
        )
    raise AttributeError(f"module 'estimax.config' has no attribute {name!r}. Public names: {', '.join(__all__)}.")


__all__ = ["backend", "dtype_policy", "epsilon", "floatx", "image_data_format"]
