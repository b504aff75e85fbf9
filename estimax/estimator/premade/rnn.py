"""Recurrent models over sequence columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from estimax import layers
from estimax.core import name_scope
from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import Head
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.premade.networks import RNN_RATE, Network, checked_head, classification_head, model_fn_of, optimizer_of
from estimax.estimator.premade.sequential import sequential_model_fn
from estimax.estimator.run_config import RunConfig
from estimax.feature_columns import DenseFeatures, SequenceFeatures
from estimax.feature_columns.layers import check_columns, check_dense, check_sequence

CELLS = {"simple_rnn": "SimpleRNNCell", "lstm": "LSTMCell", "gru": "GRUCell"}


def rnn_network(
    sequence_columns: Any,
    context_columns: Any,
    make_cells: Callable[[], Any],
    units: int,
    owner: str,
    *,
    return_sequences: bool = False,
    with_mask: bool = False,
) -> Network:
    """Cells over the steps of a sequence, then a dense layer, under `rnn_model`; context columns are joined to every step.

    With a mask it gives `(logits, mask)`, else the logits.

    Raises:
        ValueError: if a column is of the wrong kind.
    """
    sequence = check_columns(sequence_columns, owner)
    for column in sequence:
        check_sequence(column, owner)
    context = check_columns(context_columns, owner) if context_columns else []
    for column in context:
        check_dense(column, owner)

    def logits(features: Any) -> Any:
        inputs, lengths = SequenceFeatures(sequence, name="sequence_features")(features)
        steps = inputs.shape[1]
        if context:
            extra = DenseFeatures(context, name="dense_features")(features)
            inputs = jnp.concatenate([inputs, jnp.broadcast_to(extra[:, None], (extra.shape[0], steps, extra.shape[1]))], -1)
        mask = jnp.arange(steps)[None] < lengths[:, None]
        with name_scope("rnn_model"):
            net = layers.RNN(make_cells(), return_sequences=return_sequences, name="rnn")(inputs, mask=mask)
            out = layers.Dense(units, name="logits")(net)
        return (out, mask) if with_mask else out

    return logits


def cells_of(
    owner: str, units: Sequence[int] | None, cell_type: str | Callable, rnn_cell_fn: Callable | None
) -> Callable[[], Any]:
    """What makes the cells of a network.

    Raises:
        ValueError: if both or neither of units and a function are given, or the type of cell is unknown.
    """
    if rnn_cell_fn is not None:
        if units is not None:
            raise ValueError(f"{owner}: given rnn_cell_fn and units, expected one of them: the function makes the cell.")
        if not callable(rnn_cell_fn):
            raise ValueError(
                f"{owner}: rnn_cell_fn: given {type(rnn_cell_fn).__name__}, expected a function that returns a cell."
            )
        return rnn_cell_fn
    if not units:
        raise ValueError(f"{owner}: units: given {units!r}, expected the units of each layer, as [32, 16], or rnn_cell_fn.")
    if isinstance(cell_type, str) and cell_type not in CELLS:
        raise ValueError(f"{owner}: cell_type: given {cell_type!r}, expected one of {sorted(CELLS)} or a class of cells.")
    make = getattr(layers, CELLS[cell_type]) if isinstance(cell_type, str) else cell_type

    def make_cells() -> Any:
        name = {"simple_rnn": "simple_rnn_cell", "lstm": "lstm_cell", "gru": "gru_cell"}.get(
            cell_type if isinstance(cell_type, str) else ""
        )
        cells = [make(n, **({} if name is None else {"name": name if i == 0 else f"{name}_{i}"})) for i, n in enumerate(units)]
        return cells[0] if len(cells) == 1 else layers.StackedRNNCells(cells, name="stacked_rnn_cells")

    return make_cells


class RNNEstimator(Estimator):
    """A recurrent network with any head.

    Args:
        head: what the logits mean.
        sequence_feature_columns: `sequence_numeric_column`s, and embeddings or indicators of `sequence_categorical_column_*`.
        context_feature_columns: dense columns, joined to every step.
        units: units of each layer.
        cell_type: `"simple_rnn"`, `"lstm"`, `"gru"`, or a class of cells.
        rnn_cell_fn: makes the cell, instead of units and type.
        return_sequences: whether there are logits for every step (heads then take labels `[batch, steps]`), or for the last one.
        model_dir: folder of checkpoints and event files.
        optimizer: a name (with a learning rate of 0.05) or an object.
        config: a `RunConfig`.

    Raises:
        ValueError: for a wrong column, or an argument out of range.

    Reference: tf.estimator.experimental.RNNEstimator.
    """

    def __init__(
        self,
        head: Head,
        sequence_feature_columns: Any,
        context_feature_columns: Any = None,
        units: Sequence[int] | None = None,
        cell_type: str | Callable = "simple_rnn",
        rnn_cell_fn: Callable | None = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Adagrad",
        config: RunConfig | None = None,
    ):
        owner = type(self).__name__
        head = checked_head(head, owner)
        make_cells = cells_of(owner, units, cell_type, rnn_cell_fn)
        network = rnn_network(
            sequence_feature_columns,
            context_feature_columns,
            make_cells,
            head.logits_dimension,
            owner,
            return_sequences=return_sequences,
        )
        model_fn = model_fn_of(head, network, optimizer_of(optimizer, RNN_RATE))
        super().__init__(model_fn, model_dir=model_dir, config=config)


class RNNClassifier(RNNEstimator):
    """A recurrent network for classes of whole sequences.

    Args:
        sequence_feature_columns: `sequence_numeric_column`s, and embeddings or indicators of `sequence_categorical_column_*`.
        context_feature_columns: dense columns, joined to every step.
        units: units of each layer.
        cell_type: `"simple_rnn"`, `"lstm"`, `"gru"`, or a class of cells.
        rnn_cell_fn: makes the cell, instead of units and type.
        return_sequences: whether every step is classified. Labels are then `[batch, steps]`, weights too or one a sequence, and the steps
            after the end of a sequence count neither in the loss nor in metrics.
        model_dir: folder of checkpoints and event files.
        n_classes: number of classes.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names, for labels that are strings.
        optimizer: a name (with a learning rate of 0.05) or an object.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        sequence_mask: with `return_sequences`, the name of the prediction that tells real steps from padding, and of the feature
            `[batch, steps]` that tells it beforehand, if there is one; else the lengths of the sequences do.
        config: a `RunConfig`.

    Raises:
        ValueError: for a wrong column, or an argument out of range.

    Reference: tf.estimator.experimental.RNNClassifier.
    """

    def __init__(
        self,
        sequence_feature_columns: Any,
        context_feature_columns: Any = None,
        units: Sequence[int] | None = None,
        cell_type: str | Callable = "simple_rnn",
        rnn_cell_fn: Callable | None = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        sequence_mask: str = "sequence_mask",
        config: RunConfig | None = None,
    ):
        head = classification_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        if return_sequences:
            owner = type(self).__name__
            if label_vocabulary is not None:
                raise ValueError(
                    f"{owner}: label_vocabulary: given with return_sequences=True, expected class numbers for steps. Look names up in "
                    "input_fn, and leave label_vocabulary out."
                )
            network = rnn_network(
                sequence_feature_columns,
                context_feature_columns,
                cells_of(owner, units, cell_type, rnn_cell_fn),
                head.logits_dimension,
                owner,
                return_sequences=True,
                with_mask=True,
            )
            model_fn = sequential_model_fn(head, network, optimizer_of(optimizer, RNN_RATE), sequence_mask, owner)
            Estimator.__init__(self, model_fn, model_dir=model_dir, config=config)
            return
        super().__init__(
            head, sequence_feature_columns, context_feature_columns, units, cell_type, rnn_cell_fn, return_sequences, model_dir,
            optimizer, config,
        )  # fmt: skip
