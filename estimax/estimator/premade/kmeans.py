"""K-means clustering as an Estimator."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import Variable, current_frame, name_scope, row_mask
from estimax.estimator.estimator import Estimator
from estimax.estimator.export.outputs import PredictOutput
from estimax.estimator.modes import ModeKeys
from estimax.estimator.run_config import RunConfig
from estimax.estimator.spec import DEFAULT_SIGNATURE, EstimatorSpec
from estimax.feature_columns import input_layer
from estimax.initializers import Zeros
from estimax.metrics import Sum
from estimax.training import Hook
from estimax.training.hooks import logger


class KMeans(Estimator):
    """K-means clustering.

    The first batch gives the first centers; each further one moves them: to the mean of its rows, or (`use_mini_batch`) towards it by the
    share of the rows seen so far. Predictions: `cluster_index`, `all_distances`.

    Args:
        num_clusters: number of centers.
        model_dir: folder of checkpoints and event files.
        initial_clusters: `"random"` (rows of the first batch), `"kmeans_plus_plus"`, or an array `[num_clusters, width]`.
        distance_metric: `"squared_euclidean"` or `"cosine"`.
        seed: of the first centers; that of the config by default.
        use_mini_batch: whether centers are means over all batches, rather than over the last.
        mini_batch_steps_per_iteration: must be 1: centers move at every step.
        kmeans_plus_plus_num_retries: further candidates for each center of k-means++.
        relative_tolerance: training stops when the loss changes by less than this share from step to step.
        config: a `RunConfig`.
        feature_columns: dense columns; without them features are an array, or a dict of arrays that are joined by name.

    Raises:
        ValueError: if an argument is out of range, or the first batch has fewer rows than there are clusters.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0], [0.1], [5.0], [5.1]], np.float32)
        >>> kmeans = KMeans(2, initial_clusters=points[[0, 3]], use_mini_batch=False)
        >>> _ = kmeans.train(lambda: points, steps=3)
        >>> [round(float(c), 2) for c in kmeans.cluster_centers()[:, 0]], [int(i) for i in kmeans.predict_cluster_index(lambda: points)]
        ([0.05, 5.05], [0, 0, 1, 1])

    Reference: tf.compat.v1.estimator.experimental.KMeans; Sculley, "Web-scale k-means clustering", 2010.
    """

    SQUARED_EUCLIDEAN_DISTANCE, COSINE_DISTANCE = "squared_euclidean", "cosine"
    RANDOM_INIT, KMEANS_PLUS_PLUS_INIT = "random", "kmeans_plus_plus"
    SCORE, CLUSTER_INDEX, ALL_DISTANCES = "score", "cluster_index", "all_distances"
    CLUSTER_CENTERS_VAR_NAME = "clusters"

    def __init__(
        self,
        num_clusters: int,
        model_dir: str | os.PathLike | None = None,
        initial_clusters: Any = RANDOM_INIT,
        distance_metric: str = SQUARED_EUCLIDEAN_DISTANCE,
        seed: int | None = None,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: RunConfig | None = None,
        feature_columns: Any = None,
    ):
        if num_clusters < 1:
            raise ValueError(f"KMeans: num_clusters: given {num_clusters!r}, expected at least 1.")
        if distance_metric not in ("squared_euclidean", "cosine"):
            raise ValueError(f"KMeans: distance_metric: given {distance_metric!r}, expected 'squared_euclidean' or 'cosine'.")
        if isinstance(initial_clusters, str) and initial_clusters not in ("random", "kmeans_plus_plus"):
            raise ValueError(
                f"KMeans: initial_clusters: given {initial_clusters!r}, expected 'random', 'kmeans_plus_plus' or an array."
            )
        if mini_batch_steps_per_iteration != 1:
            raise ValueError(
                "KMeans: mini_batch_steps_per_iteration: expected 1: centers move at every step. Use larger batches instead."
            )
        if kmeans_plus_plus_num_retries < 0:
            raise ValueError(
                f"KMeans: kmeans_plus_plus_num_retries: given {kmeans_plus_plus_num_retries!r}, expected at least 0."
            )
        if not isinstance(initial_clusters, str):
            initial_clusters = np.asarray(initial_clusters() if callable(initial_clusters) else initial_clusters, np.float32)
            if initial_clusters.ndim != 2 or len(initial_clusters) != num_clusters:
                raise ValueError(
                    f"KMeans: initial_clusters: given shape {initial_clusters.shape}, expected [{num_clusters}, width]."
                )
        model = _Model(
            num_clusters, initial_clusters, distance_metric, use_mini_batch, kmeans_plus_plus_num_retries, feature_columns
        )
        hooks: list[Hook] = [] if relative_tolerance is None else [_ToleranceHook(relative_tolerance)]

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            return model.spec(features, mode, hooks)

        config = config or RunConfig()
        if seed is not None:
            config = config.replace(tf_random_seed=seed)
        super().__init__(model_fn, model_dir=model_dir, config=config)

    def cluster_centers(self) -> np.ndarray:
        """The centers. Shape `[num_clusters, width]`."""
        return self.get_variable_value(self.CLUSTER_CENTERS_VAR_NAME)

    def predict_cluster_index(self, input_fn: Callable) -> Iterator[Any]:
        """The nearest center of each row."""
        for row in self.predict(input_fn, predict_keys=[self.CLUSTER_INDEX]):
            yield row[self.CLUSTER_INDEX]

    def transform(self, input_fn: Callable) -> Iterator[Any]:
        """The distances of each row to all centers (euclidean distances, not squared, for that metric)."""
        for row in self.predict(input_fn, predict_keys=[self.ALL_DISTANCES]):
            yield row[self.ALL_DISTANCES]

    def score(self, input_fn: Callable) -> float:
        """The sum over all rows of the (squared) distance to the nearest center."""
        return self.evaluate(input_fn)[self.SCORE]


class _Model:
    """Centers, how they start and how they move."""

    def __init__(self, clusters: int, initial: Any, metric: str, mini_batch: bool, retries: int, columns: Any):
        self.clusters, self.initial, self.cosine = clusters, initial, metric == "cosine"
        self.mini_batch, self.retries, self.columns = mini_batch, retries, columns

    def spec(self, features: Any, mode: str, hooks: list[Hook]) -> EstimatorSpec:
        points = self._points(features)
        centers = Variable(Zeros(), (self.clusters, points.shape[1]), trainable=False, name="clusters")
        with name_scope("kmeans"):
            counts = Variable(Zeros(), (self.clusters,), trainable=False, name="cluster_counts")
        mask = row_mask(is_loss=True)
        weights = jnp.ones(points.shape[0]) if mask is None else mask.astype(jnp.float32)
        if mode == ModeKeys.TRAIN:
            step = current_frame().step  # type: ignore[union-attr]
            start = jax.lax.cond(step == 0, lambda: self._start(points, weights), lambda: centers.value)
            centers.assign(start)
        distances = self._distances(points, centers.value)
        nearest = jnp.argmin(distances, -1)
        total = jnp.sum(jnp.min(distances, -1) * weights)
        if mode == ModeKeys.TRAIN:
            self._move(points, weights, nearest, centers, counts)
            return EstimatorSpec(mode, loss=total, train_op=(), training_hooks=hooks)
        if mode == ModeKeys.EVAL:
            score = Sum(name="score")
            score.update_state(total)
            return EstimatorSpec(mode, loss=total, eval_metric_ops={"score": score})
        shown = distances if self.cosine else jnp.sqrt(distances)
        predictions = {"cluster_index": nearest, "all_distances": shown}
        outputs = {
            DEFAULT_SIGNATURE: PredictOutput(predictions),
            "cluster_index": PredictOutput(nearest),
            "all_distances": PredictOutput(shown),
        }
        return EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)

    def _points(self, features: Any) -> jax.Array:
        if self.columns is not None:
            points = input_layer(features, self.columns)
        elif hasattr(features, "keys"):
            points = jnp.concatenate(
                [jnp.asarray(features[k], jnp.float32).reshape(features[k].shape[0], -1) for k in sorted(features)], -1
            )
        else:
            points = jnp.asarray(features, jnp.float32).reshape(features.shape[0], -1)
        return _unit(points) if self.cosine else points

    def _distances(self, points: jax.Array, centers: jax.Array) -> jax.Array:
        if self.cosine:
            return 1 - points @ _unit(centers).T
        squares = jnp.sum(points**2, -1)[:, None] - 2 * points @ centers.T + jnp.sum(centers**2, -1)[None]
        return jnp.maximum(squares, 0)

    def _start(self, points: jax.Array, weights: jax.Array) -> jax.Array:
        """The first centers."""
        if not isinstance(self.initial, str):
            return jnp.asarray(self.initial, points.dtype)
        if points.shape[0] < self.clusters:
            raise ValueError(
                f"KMeans: the first batch has {points.shape[0]} rows, expected at least num_clusters={self.clusters}. Use a larger batch."
            )
        frame = current_frame()
        key = frame.next_key()  # type: ignore[union-attr]
        real = jnp.log(weights)
        if self.initial == "random":
            order = jax.lax.top_k(jax.random.gumbel(key, real.shape) + real, self.clusters)[1]
            return points[order]
        return self._plus_plus(points, real, key)

    def _plus_plus(self, points: jax.Array, real: jax.Array, key: jax.Array) -> jax.Array:
        """K-means++: each center is drawn by its squared distance from those before, the best of some candidates."""
        first = points[jax.random.categorical(key, real)]
        centers = jnp.zeros((self.clusters, points.shape[1]), points.dtype).at[0].set(first)
        nearest = self._distances(points, first[None])[:, 0]

        def add(i: Any, carry: tuple) -> tuple:
            centers, nearest = carry
            keys = jax.random.fold_in(key, i)
            chosen = jax.random.categorical(keys, jnp.log(jnp.maximum(nearest, 1e-30)) + real, shape=(1 + self.retries,))
            closer = jnp.minimum(nearest[:, None], self._distances(points, points[chosen]))
            best = jnp.argmin(jnp.sum(closer * jnp.exp(real)[:, None], 0))
            return centers.at[i].set(points[chosen[best]]), closer[:, best]

        return jax.lax.fori_loop(1, self.clusters, add, (centers, nearest))[0]

    def _move(self, points: jax.Array, weights: jax.Array, nearest: jax.Array, centers: Variable, counts: Variable) -> None:
        member = jax.nn.one_hot(nearest, self.clusters) * weights[:, None]
        batch_counts = jnp.sum(member, 0)
        means = (member.T @ points) / jnp.maximum(batch_counts, 1)[:, None]
        total = counts.value + batch_counts
        share = batch_counts / jnp.maximum(total, 1) if self.mini_batch else (batch_counts > 0).astype(points.dtype)
        centers.assign(centers.value + (means - centers.value) * share[:, None])
        counts.assign(total)


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


class _ToleranceHook(Hook):
    """Stops when the loss hardly changes."""

    def __init__(self, tolerance: float):
        self._tolerance = tolerance
        self._before: float | None = None

    def after_run(self, run: Any) -> None:
        loss, before = run.last_loss, self._before
        self._before = loss
        if before is not None and math.isfinite(before) and abs(before - loss) <= self._tolerance * abs(before):
            logger.info("KMeans: the loss changes by less than %s: training stops.", self._tolerance)
            run.request_stop()
