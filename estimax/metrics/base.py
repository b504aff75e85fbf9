"""What every metric is: variables that add up over batches, and a result computed from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import Frame, Variable, current_frame, first_free, name_scope, register, snake_case, standardize_dtype
from estimax.metrics.padding import without_padding

INITIALIZERS: Mapping[str, Callable[..., jax.Array]] = {"zeros": jnp.zeros, "ones": jnp.ones}


@register("keras.metrics")
class Metric:
    """A number over many batches; subclass it with `update_state` and `result`.

    Variables are made by `add_variable`, mostly in the constructor. Called directly, `update_state` changes them; a
    compiled step uses the same code as pure functions of their values (`initial_totals`, `updated_totals`, `result_of`).
    For that, `update_state` and `result` must be traceable: no Python decision on the values of arrays. A row of
    weight 0 must change nothing: the engine fills short batches up with rows, and gives those a `sample_weight` of 0.

    Args:
        name: of the metric; by default that of the class (`mean_squared_error`).
        dtype: type of its variables and computations; float32 by default.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, name=None, dtype=None):
        ...         super().__init__(name, dtype)
        ...         self.largest = self.add_variable((), "zeros", name="largest")
        ...     def update_state(self, values):
        ...         self.largest.assign(jnp.maximum(self.largest.value, jnp.max(values)))
        ...     def result(self):
        ...         return self.largest.value
        >>> metric = Largest()
        >>> metric.update_state(jnp.array([1.0, 3.0]))
        >>> print(metric.result())
        3.0
        >>> totals = metric.updated_totals(metric.initial_totals(), jnp.array([2.0]))
        >>> print(metric.result_of(totals), metric.result())
        2.0 3.0

    Reference: `keras.metrics.Metric`.
    """

    #: Whether larger (`"up"`) or smaller (`"down"`) is better; None if neither. Callbacks look at it.
    direction: str | None = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "update_state" in cls.__dict__:
            cls.update_state = without_padding(cls.__dict__["update_state"])  # type: ignore[method-assign]

    def __init__(self, name: str | None = None, dtype: Any = None):
        self.name = name or snake_case(type(self).__name__)
        self.dtype = standardize_dtype(dtype)
        self._added: dict[str, Variable] = {}
        self._makers: dict[str, Callable[[], jax.Array]] = {}

    # -- what subclasses define and use ---------------------------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int] = (),
        initializer: str | Callable = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new variable of the metric.

        Args:
            shape: of the array.
            initializer: `"zeros"`, `"ones"` or a function `(shape, dtype)`.
            dtype: of the array; by default the metric's.
            name: of the variable, without slashes.

        Raises:
            RuntimeError: if the subclass did not call `super().__init__`.
            ValueError: if the initializer is unknown.
        """
        if "_added" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}: add_variable before super().__init__(). Call super().__init__(name=name) first."
            )
        make = INITIALIZERS.get(initializer) if isinstance(initializer, str) else initializer
        if not callable(make):
            raise ValueError(
                f'Metric "{self.name}": given initializer={initializer!r}, expected "zeros", "ones" or a function '
                "(shape, dtype) such as estimax.initializers.Constant(1.0)."
            )
        shape, dtype, name = tuple(shape), standardize_dtype(dtype or self.dtype), name or "variable"
        with name_scope(self.name.replace("/", "_")):
            variable = Variable(make, shape, dtype, trainable=False, name=name, kind="metrics")
        key = first_free(name, self._added)
        self._added[key] = variable
        self._makers[key] = lambda: make(shape, dtype)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: str | Callable = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """The older name of `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch, mostly `(y_true, y_pred, sample_weight=None)`."""
        raise TypeError(f'Metric "{self.name}": define update_state(self, y_true, y_pred, sample_weight=None).')

    def result(self) -> Any:
        """The number so far: an array, or a dictionary of arrays."""
        raise TypeError(f'Metric "{self.name}": define result(self).')

    def reset_state(self) -> None:
        """Sets the variables back to their initial values."""
        for key, variable in self._added.items():
            variable.assign(self._makers[key]())
        for metric in self._nested().values():
            metric.reset_state()

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Makes variables whose shape depends on the data, given the arguments of `update_state` (arrays or their shapes).

        The default makes them by an update with zeros, if the metric has no variables yet.
        """
        if self.variables:
            return
        with jax.ensure_compile_time_eval():
            zeros = jax.tree.map(lambda x: np.zeros(np.shape(x), jnp.result_type(x)), (args, kwargs))
            self.update_state(*zeros[0], **zeros[1])
            self.reset_state()

    # -- values -----------------------------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """The variables of the metric and of metrics that are attributes of it."""
        return list(self._named_variables().values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch and gives the result so far."""
        self.update_state(*args, **kwargs)
        return _arrays(self.result())

    # -- the same as pure functions ----------------------------------------------------------------------------------------

    def initial_totals(self, *args: Any, **kwargs: Any) -> dict[str, jax.Array]:
        """The values of the variables before any batch.

        Args:
            *args: arguments of `update_state`, arrays or `jax.ShapeDtypeStruct`s; needed by metrics that make their
                variables at the first batch (`F1Score`, `R2Score`), harmless to others.
            **kwargs: likewise.
        """
        if args or kwargs:
            self.build(*args, **kwargs)
        # What reset_state leaves alone starts as zeros.
        zeros = {name: jnp.zeros(v.shape, v.dtype) for name, v in self._named_variables().items()}
        with self._bound(zeros) as read:
            self.reset_state()
            return read()

    def updated_totals(self, totals: Mapping[str, jax.Array], *args: Any, **kwargs: Any) -> dict[str, jax.Array]:
        """The values of the variables after a further batch; pure, and traceable if `update_state` is.

        Args:
            totals: the values before.
            *args: arguments of `update_state`.
            **kwargs: likewise.

        Raises:
            ValueError: if `totals` are those of another metric, or `update_state` made a variable.
        """
        self.build(*args, **kwargs)
        with self._bound(totals) as read:
            self.update_state(*args, **kwargs)
            new = set(self._named_variables()) - set(totals)
            if new:
                raise ValueError(
                    f'Metric "{self.name}": update_state made the variables {sorted(new)} inside a compiled step. Make them '
                    "in __init__, or in build(self, y_true, y_pred, sample_weight=None), which is called before."
                )
            return read()

    def result_of(self, totals: Mapping[str, jax.Array]) -> Any:
        """The result for given values of the variables; pure."""
        with self._bound(totals):
            return _arrays(self.result())

    @property
    def takes_weights(self) -> bool:
        """Whether `update_state` has an argument `sample_weight`."""
        parameters = inspect.signature(self.update_state).parameters.values()
        return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)

    # -- configs ------------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that build an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """The metric of a config that `get_config` wrote."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"

    # -- inside -------------------------------------------------------------------------------------------------------------

    def _nested(self) -> dict[str, Metric]:
        nested: dict[str, Metric] = {}
        for attribute, value in self.__dict__.items():
            if isinstance(value, Metric):
                nested[attribute] = value
            elif isinstance(value, (list, tuple)):
                nested.update({f"{attribute}_{i}": m for i, m in enumerate(value) if isinstance(m, Metric)})
            elif isinstance(value, dict):
                nested.update({f"{attribute}_{k}": m for k, m in value.items() if isinstance(m, Metric)})
        return nested

    def _named_variables(self) -> dict[str, Variable]:
        named = dict(self._added)
        for attribute, metric in self._nested().items():
            named.update({f"{attribute}/{name}": v for name, v in metric._named_variables().items()})
        return named

    def _bound(self, totals: Mapping[str, jax.Array]) -> _Bound:
        return _Bound(self, totals)


def _arrays(result: Any) -> Any:
    """A result in which a variable stands for its value, as arrays."""
    return jax.tree.map(lambda x: x.value if isinstance(x, Variable) else x, result)


class _Bound:
    """A frame in which a metric's variables are the given totals; the values of an outer frame stay readable."""

    def __init__(self, metric: Metric, totals: Mapping[str, jax.Array]):
        variables = metric._named_variables()
        if set(variables) != set(totals):
            raise ValueError(
                f'Metric "{metric.name}": given totals {sorted(totals)}, expected {sorted(variables)}. Start from '
                "metric.initial_totals(y_true, y_pred) of the same metric."
            )
        outer = current_frame()
        # No path of a layer starts with a slash.
        self.paths = {name: f"/{metric.name}/{name}" for name in variables}
        values = {path: totals[name] for name, path in self.paths.items()}
        bindings = {id(v): self.paths[name] for name, v in variables.items()}
        self.frame = Frame(
            {**(outer.values if outer else {}), **values},
            {**(outer.bindings if outer else {}), **bindings},
            training=outer.training if outer else None,
            row_mask=outer.row_mask if outer else None,
        )

    def __enter__(self) -> Callable[[], dict[str, jax.Array]]:
        self.frame.__enter__()
        return lambda: {name: self.frame.values[path] for name, path in self.paths.items()}

    def __exit__(self, *exc: object) -> None:
        self.frame.__exit__(*exc)
