"""Modules of other JAX libraries as layers: Flax NNX and Linen, Haiku, Equinox. None of them is needed otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax

from estimax.layers.jax_layer import JaxLayer

_INSTALL = "pip install flax (NNX, Linen), pip install dm-haiku (Haiku), pip install equinox (Equinox)"


class ModuleLayer(JaxLayer):
    """The layer that `from_module` makes.

    Args:
        module: the module of the other library, kept for reference.
        call_fn, init_fn, params, state: as of `JaxLayer`.

    Its parameters are saved as weights; the module itself can't be written into a config.
    """

    def __init__(self, module: Any, call_fn: Callable, init_fn: Callable | None = None, **kwargs: Any):
        super().__init__(call_fn, init_fn, **kwargs)
        self._ref_module = module

    def get_config(self) -> dict[str, Any]:
        """Refuses: a module of another library has no config.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f'Layer "{self.name}" holds a module of another library ({type(self._ref_module).__name__}), which has no config. Make the '
            "model by code again and use save_weights and load_weights."
        )


def from_module(module: Any, *, batched: bool = True, seed: int | None = None, **kwargs: Any) -> ModuleLayer:
    """A module of Flax (NNX or Linen), Haiku or Equinox as a layer.

    Parameters become trainable variables, other arrays (batch statistics) variables that training does not change. A random key and
    whether the layer trains are passed on where the module takes them (`train`, `training`, `is_training`, `deterministic`, `key`).

    Args:
        module: a `flax.nnx.Module`, `flax.linen.Module`, `haiku.Transformed` or `equinox.Module` object.
        batched: Equinox only: whether the module takes one row and is mapped over the batch, as Equinox's own layers expect.
        seed: makes initial parameters and random numbers repeatable.
        kwargs: `name`, `trainable`, `dtype` of the layer.

    Raises:
        TypeError: if the module is of none of these kinds.

    Example:
        >>> from_module(3)
        Traceback (most recent call last):
            ...
        TypeError: from_module: given an int, expected a module of Flax, Haiku or Equinox...
    """
    adapters: dict[str, Callable[..., dict[str, Any]]] = {
        "flax.nnx": _nnx,
        "flax.linen": _linen,
        "haiku": _haiku,
        "equinox": _equinox,
    }
    for cls in type(module).__mro__:
        for prefix, adapter in adapters.items():
            if cls.__module__ == prefix or cls.__module__.startswith(prefix + "."):
                options = adapter(module, batched) if adapter is _equinox else adapter(module)
                return ModuleLayer(module, seed=seed, **options, **kwargs)
    raise TypeError(
        f"from_module: given an {type(module).__name__}, expected a module of Flax, Haiku or Equinox. Install one of them with "
        f"{_INSTALL}; for plain functions use layers.JaxLayer(call_fn, init_fn)."
    )


def _mode(fn: Callable, training: bool) -> dict[str, bool]:
    """How a function wants to be told whether it trains."""
    names = inspect.signature(fn).parameters
    given = {"train": training, "training": training, "is_training": training, "deterministic": not training}
    return {k: v for k, v in given.items() if k in names}


def _linen(module: Any) -> dict[str, Any]:
    def init(rng: Any, inputs: Any) -> Any:
        params_key, dropout_key = jax.random.split(rng)
        rngs = {"params": params_key, "dropout": dropout_key}
        variables = dict(module.init(rngs, inputs, **_mode(type(module).__call__, False)))
        return variables.pop("params", {}), variables

    def call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
        rngs = {"dropout": rng}
        mode = _mode(type(module).__call__, training)
        variables = {"params": params, **state}
        if not training or not state:
            return module.apply(variables, inputs, rngs=rngs, **mode), state
        out, new = module.apply(variables, inputs, rngs=rngs, mutable=list(state), **mode)
        return out, dict(new)

    return {"call_fn": call, "init_fn": init}


def _haiku(module: Any) -> dict[str, Any]:
    # The function that was transformed is not reachable; whether it takes is_training shows in the signature of apply.
    has_state = type(module).__name__ == "TransformedWithState"

    def init(rng: Any, inputs: Any) -> Any:
        made = module.init(rng, inputs, **_mode(module.init, True))
        return made if has_state else (made, {})

    def call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
        mode = _mode(module.apply, training)
        if has_state:
            return module.apply(params, state, rng, inputs, **mode)
        return module.apply(params, rng, inputs, **mode), state

    return {"call_fn": call, "init_fn": init}


def _nnx(module: Any) -> dict[str, Any]:
    from flax import nnx

    graph, params, random, rest = nnx.split(module, nnx.Param, nnx.RngState, ...)

    def call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
        # Mapped leaf by leaf: NNX refuses changes to variables that were made outside the trace that is running.
        copy = nnx.merge(graph, params, jax.tree.map(lambda leaf: leaf, random), state)
        copy.train() if training else copy.eval()
        nnx.reseed(copy, **{name: rng for name in _streams(random)})
        out = copy(inputs, **_mode(type(module).__call__, training))
        return out, nnx.split(copy, nnx.Param, nnx.RngState, ...)[3]

    return {"call_fn": call, "params": params, "state": rest}


def _streams(random: Any) -> list[str]:
    """The names of the random streams in the random state of an NNX module."""
    leaves = jax.tree.leaves(random, is_leaf=lambda v: hasattr(v, "tag"))
    return sorted({v.tag for v in leaves if hasattr(v, "tag")})


def _equinox(module: Any, batched: bool) -> dict[str, Any]:
    import equinox as eqx

    params, static = eqx.partition(module, eqx.is_inexact_array)
    takes_key = "key" in inspect.signature(type(module).__call__).parameters

    def call(params: Any, rng: Any, inputs: Any, training: bool) -> Any:
        whole = eqx.nn.inference_mode(eqx.combine(params, static), not training)
        if not batched:
            return whole(inputs, key=rng) if takes_key else whole(inputs)
        if not takes_key:
            return jax.vmap(whole)(inputs)
        keys = jax.random.split(rng, jax.tree.leaves(inputs)[0].shape[0])
        return jax.vmap(lambda x, key: whole(x, key=key))(inputs, keys)

    return {"call_fn": call, "params": params}
