"""Linear models by stochastic dual coordinate ascent: exact steps without a learning rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostOp, HostValue, Variable, current_frame, name_scope, register, row_mask
from estimax.core.errors import InputDataError
from estimax.core.text import Text, text_from_integers
from estimax.estimator.heads import BinaryClassHead, Head, RegressionHead
from estimax.estimator.heads.base import SingleHead
from estimax.estimator.spec import EstimatorSpec
from estimax.feature_columns import LinearModel
from estimax.feature_columns.base import CategoricalColumn, FeatureReader
from estimax.feature_columns.entries import Entries
from estimax.initializers import Zeros
from estimax.optimizers import SGD
from estimax.training import Hook, TrainOp

DEFAULT_MAX_EXAMPLES = 2**18
_BISECTIONS = 30


@dataclasses.dataclass(frozen=True)
class LinearSDCA:
    """Stochastic dual coordinate ascent, as `optimizer` of `LinearClassifier`, `LinearRegressor` or `LinearSVM`.

    Minimises `sum of weighted losses + l1 |w| + l2/2 |w|^2` over all examples: cross entropy, half the squared error or the hinge loss. Each
    example has a dual variable, kept by its id in the model's state and so in checkpoints; a step moves the duals of its batch one after the
    other, each to the optimum of the others. There is no learning rate; a few passes over the data converge. The bias is regularized too.

    Args:
        example_id_column: name of the feature of ids, strings or integers, one a row and different for different examples.
        num_loss_partitions: how many processes move duals at once, each unaware of the others: steps become as much smaller.
        num_table_shards: changes nothing here, as the duals are one array on the device.
        symmetric_l1_regularization: `l1`, at least 0.
        symmetric_l2_regularization: `l2`, above 0.
        adaptive: whether rows of a batch are drawn by how far their duals are from their optimum, with replacement, rather than taken
            one after the other.
        max_examples: how many ids the duals have room for (24 bytes each).

    Raises:
        ValueError: if a number is out of range or no id column is given.

    Example:
        >>> import numpy as np, estimax as ex
        >>> rows = {"x": np.array([[1.0], [2.0]], np.float32), "id": np.array(["a", "b"])}, np.array([2.0, 4.0], np.float32)
        >>> sdca = LinearSDCA("id", symmetric_l2_regularization=0.01, max_examples=100)
        >>> model = ex.estimator.LinearRegressor([ex.feature_columns.numeric_column("x")], optimizer=sdca)
        >>> round(model.train(lambda: rows, steps=100).evaluate(lambda: rows)["average_loss"], 3)
        0.0

    Reference: tf.estimator.experimental.LinearSDCA; Shalev-Shwartz and Zhang, "Stochastic dual coordinate ascent methods for regularized
    loss minimization", 2013; for l1 their "Accelerated proximal stochastic dual coordinate ascent", 2014.
    """

    example_id_column: str
    num_loss_partitions: int = 1
    num_table_shards: int | None = None
    symmetric_l1_regularization: float = 0.0
    symmetric_l2_regularization: float = 1.0
    adaptive: bool = False
    max_examples: int = DEFAULT_MAX_EXAMPLES

    def __post_init__(self) -> None:
        if not isinstance(self.example_id_column, str) or not self.example_id_column:
            raise ValueError(
                f"LinearSDCA: example_id_column: given {self.example_id_column!r}, expected the name of a feature of ids."
            )
        if self.num_loss_partitions < 1:
            raise ValueError(f"LinearSDCA: num_loss_partitions: given {self.num_loss_partitions!r}, expected at least 1.")
        if self.num_table_shards is not None and self.num_table_shards < 1:
            raise ValueError(f"LinearSDCA: num_table_shards: given {self.num_table_shards!r}, expected at least 1, or None.")
        if self.symmetric_l1_regularization < 0:
            raise ValueError(
                f"LinearSDCA: symmetric_l1_regularization: given {self.symmetric_l1_regularization!r}, expected at least 0."
            )
        if self.symmetric_l2_regularization <= 0:
            raise ValueError(
                f"LinearSDCA: symmetric_l2_regularization: given {self.symmetric_l2_regularization!r}, expected above 0: the dual has no "
                "optimum without. Give a small number."
            )
        if self.max_examples < 1:
            raise ValueError(f"LinearSDCA: max_examples: given {self.max_examples!r}, expected at least 1.")


def sdca_model_fn(owner: str, head: Head, feature_columns: Any, sdca: LinearSDCA, loss: str | None = None) -> Callable:
    """The model_fn of a linear model that is trained by dual coordinate ascent.

    Args:
        owner: for messages.
        head: of two classes or one number.
        feature_columns: of the linear model.
        sdca: how to train.
        loss: `"logistic"`, `"squared"` or `"hinge"`; by default that of the head.

    Raises:
        ValueError: for another head, or a column that is not linear in its weights.
    """
    loss = loss or _loss_of(owner, head)
    layer_of = _linear_layer(owner, feature_columns)
    overflow = _OverflowHook(sdca)

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        frame = current_frame()
        assert frame is not None  # a model_fn runs in one
        with name_scope("linear"):
            layer = layer_of()
            logits = layer(features)
        if mode != "train":
            return head.create_estimator_spec(features, mode, logits, labels)
        assert isinstance(head, SingleHead)
        numbers = head.labels_for_loss(labels, logits).reshape(-1).astype(jnp.float32)
        weights = head.weights(features, logits)
        weights = jnp.ones_like(numbers) if weights is None else jnp.broadcast_to(weights, logits.shape).reshape(-1)
        mask = row_mask(is_loss=True)
        weights = weights if mask is None else weights * mask
        paths = {frame.bindings[id(v)]: v for v in layer.trainable_variables}
        values = {p: v.value for p, v in paths.items()}

        def margins(values: Mapping[str, jax.Array]) -> jax.Array:
            with frame.inner(values):
                return layer(features)[:, 0]

        with name_scope("sdca"):
            deltas = _ascend(sdca, loss, margins, values, _keys(sdca, features), numbers, weights)
        # The engine changes trainable variables by gradients alone: one whose gradient is the wanted step, for a learning rate of 1.
        step = -sum(jnp.vdot(v.value, jax.lax.stop_gradient(deltas[p])) for p, v in paths.items())
        train_op = TrainOp(SGD(1.0), step, frozenset(paths))
        total = head.loss(labels, logits, features=features, mode=mode)
        return EstimatorSpec(mode, loss=jax.lax.stop_gradient(total), train_op=train_op, training_hooks=[overflow])

    return model_fn


def _loss_of(owner: str, head: Head) -> str:
    if isinstance(head, BinaryClassHead) and head._loss_fn is None:
        return "logistic"
    if isinstance(head, RegressionHead) and type(head) is RegressionHead and head.logits_dimension == 1 and head._loss_fn is None:
        return "squared"
    raise ValueError(
        f"{owner}: optimizer: given LinearSDCA, which trains models of two classes or of one number a row with their own losses, not "
        f"{head!r}. Use another optimizer, as 'Ftrl'."
    )


def _linear_layer(owner: str, feature_columns: Any) -> Callable[[], LinearModel]:
    """Makes the layer, for one call of the model_fn; refuses columns that are not linear in what is trained."""

    def make() -> LinearModel:
        return LinearModel(feature_columns, 1, "sum", name="linear_model")

    for column in make().feature_columns:
        inner = getattr(column, "categorical_column", column)
        dynamic = isinstance(inner, CategoricalColumn) and inner.dynamic is not None
        if dynamic or hasattr(column, "initializer") and hasattr(column, "dimension"):
            raise ValueError(
                f'{owner}: column "{column.name}": LinearSDCA trains columns with one weight an id or number, not embeddings or vocabularies '
                "that are learned. Use the categorical column itself, or another optimizer."
            )
    return make


def _keys(sdca: LinearSDCA, features: Any) -> jax.Array:
    """The 64-bit fingerprints of the examples' ids. Shape `[batch, 2]`, int32; both 0 in rows of padding."""
    name = sdca.example_id_column
    entries = FeatureReader(features).entries(name, "LinearSDCA")
    return HostValue(op=ExampleIds(name), inputs=[entries]).on_device()


@register("estimax.estimator")
class ExampleIds(HostOp):
    """Entries to the two 32-bit halves of their 64-bit fingerprints. Shape `[batch, 2]`.

    Args:
        name: of the feature, for messages.
    """

    pad_value = 0

    def __init__(self, name: str):
        self.name = name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __call__(self, entries: Entries) -> np.ndarray:
        rows = entries.shape[0]
        if entries.kind not in ("string", "integer") or entries.count != rows or entries.index is not None:
            raise InputDataError(
                f"Feature {self.name!r}: given {entries.count} {entries.kind} values in {rows} rows, expected one string or integer a row, "
                "as it names the examples."
            )
        values = entries.values if isinstance(entries.values, Text) else text_from_integers(entries.values)
        prints = np.maximum(values.fingerprints, np.uint64(1))  # 0 stands for "nothing"
        prints = prints if entries.codes is None else prints[entries.codes]
        return prints.view(np.int32).reshape(rows, 2)


# ---- The steps ------------------------------------------------------------------------------------------------------


def _ascend(
    sdca: LinearSDCA,
    loss: str,
    margins: Callable[[Mapping[str, jax.Array]], jax.Array],
    values: Mapping[str, jax.Array],
    keys: jax.Array,
    labels: jax.Array,
    weights: jax.Array,
) -> dict[str, jax.Array]:
    """Moves the duals of a batch, row by row; gives the change of each variable.

    Args:
        sdca: the settings.
        loss: its name.
        margins: the model as a function of its variables. `[batch]`.
        values: the variables.
        keys: fingerprints of ids. `[batch, 2]`.
        labels: `[batch]`.
        weights: of the rows; 0 for padding. `[batch]`.
    """
    l1, l2 = sdca.symmetric_l1_regularization, sdca.symmetric_l2_regularization
    slots = 1 << (2 * sdca.max_examples - 1).bit_length()  # at most half of them are taken, so that probing stays short
    known = Variable(Zeros(), (slots, 2), "int32", False, "example_ids")
    duals = Variable(Zeros(), (slots,), "float32", False, "duals")
    count = Variable(Zeros(), (), "int32", False, "examples")
    before = {p: Variable(Zeros(), v.shape, "float32", False, p.replace("/", ".")) for p, v in values.items()} if l1 else {}
    values = jax.lax.stop_gradient(dict(values))
    # With l1 the steps go by weights that are not shrunk yet: the sum over examples of dual * weight * row / l2.
    unshrunk = {p: v.value for p, v in before.items()} or values
    shrunk = lambda v: jax.tree.map(lambda x: jnp.sign(x) * jnp.maximum(jnp.abs(x) - l1 / l2, 0), v) if l1 else v  # noqa: E731
    predicted, pull = jax.vjp(margins, values)  # the model is linear, so that the pull of a unit vector is a row of the design
    numbers = jnp.arange(len(labels))
    if sdca.adaptive:
        frame = current_frame()
        distance = jnp.where(weights > 0, jnp.abs(_residual(loss, labels, predicted)) + 1e-6, 0)
        numbers = jax.random.choice(frame.next_key(), numbers, numbers.shape, p=distance / jnp.sum(distance))  # type: ignore[union-attr]

    def step(carry: tuple, row: jax.Array) -> tuple[tuple, None]:
        unshrunk, known, duals, count = carry
        (design,) = pull((jnp.arange(len(labels)) == row).astype(jnp.float32))
        margin = _dot(design, shrunk(unshrunk))
        weight = weights[row]
        slot, is_new = _slot_of(known, keys[row])
        real = weight > 0
        old = jnp.where(is_new, 0, duals[slot])
        size = sdca.num_loss_partitions * weight * _dot(design, design) / l2
        change = jnp.where(real, _optimum(loss, labels[row], margin, old, size) - old, 0)
        unshrunk = jax.tree.map(lambda v, x: v + change * weight / l2 * x, unshrunk, design)
        known = known.at[slot].set(jnp.where(real, keys[row], known[slot]))
        duals = duals.at[slot].set(jnp.where(real, old + change, duals[slot]))
        return (unshrunk, known, duals, count + (real & is_new)), None

    carry = (unshrunk, known.value, duals.value, count.value)
    (unshrunk, *new), _ = jax.lax.scan(step, carry, numbers)
    for variable, value in zip((known, duals, count), new):
        variable.assign(value)
    for path, variable in before.items():
        variable.assign(unshrunk[path])
    after = shrunk(unshrunk)
    return {p: after[p] - v for p, v in values.items()}


def _dot(a: Mapping[str, jax.Array], b: Mapping[str, jax.Array]) -> jax.Array:
    return sum((jnp.vdot(a[p], b[p]) for p in a), jnp.zeros(()))


def _slot_of(known: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where a key is, or the free slot for it, and whether it is new. Found by probing one slot after the other."""
    size = len(known)
    start = (key[0].astype(jnp.uint32) % size).astype(jnp.int32)

    def taken_by_another(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        slot, tries = carry
        return (known[slot] != 0).any() & (known[slot] != key).any() & (tries < size)

    slot, _ = jax.lax.while_loop(taken_by_another, lambda c: ((c[0] + 1) % size, c[1] + 1), (start, jnp.int32(0)))
    return slot, (known[slot] != key).any()


def _residual(loss: str, label: jax.Array, margin: jax.Array) -> jax.Array:
    """Minus the derivative of the loss: where the dual is to be."""
    if loss == "squared":
        return label - margin
    sign = 2 * label - 1
    if loss == "logistic":
        return sign * jax.nn.sigmoid(-sign * margin)
    return jnp.where(sign * margin < 1, sign, 0.0)


def _optimum(loss: str, label: jax.Array, margin: jax.Array, dual: jax.Array, size: jax.Array) -> jax.Array:
    """The dual that is minus the derivative of the loss at the margin that it leads to: `margin + (new - dual) * size`."""
    if loss == "squared":
        return dual + (label - dual - margin) / (1 + size)
    sign = 2 * label - 1
    dual, margin = sign * dual, sign * margin
    if loss == "hinge":
        return sign * jnp.clip(dual + (1 - margin) / jnp.maximum(size, 1e-20), 0, 1)

    # Logistic: the margin m that equals margin + (sigmoid(-m) - dual) * size; the difference of both grows with m.
    def halve(_: Any, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) / 2
        above = middle > margin + (jax.nn.sigmoid(-middle) - dual) * size
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    bounds = (margin - dual * size, margin + (1 - dual) * size)
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, bounds)
    return sign * jax.nn.sigmoid(-(low + high) / 2)


class _OverflowHook(Hook):
    """Stops with an error once more examples came than there is room for.

    Args:
        sdca: the settings.
    """

    def __init__(self, sdca: LinearSDCA):
        self._sdca = sdca

    def next_step(self, step: int) -> int:
        return (step // 100 + 1) * 100

    def before_run(self, run: Any) -> None:
        """Nothing is asked for."""

    def after_run(self, run: Any) -> None:
        self._check(run)

    def end(self, run: Any) -> None:
        self._check(run)

    def _check(self, run: Any) -> None:
        found = run.variable_values().get("sdca/examples")
        if found is not None and int(found) > self._sdca.max_examples:
            raise InputDataError(
                f"LinearSDCA: {int(found)} different ids in {self._sdca.example_id_column!r}, expected at most max_examples="
                f"{self._sdca.max_examples}. Give a larger max_examples; if there are not as many examples, ids change between passes."
            )
