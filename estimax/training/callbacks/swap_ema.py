"""SwapEMAWeights: evaluates with averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.training.hook import Hook


class SwapEMAWeights(Hook):
    """Puts the optimizer's moving averages in place of the weights for evaluation and prediction, and the weights back afterwards.

    Args:
        swap_on_epoch: whether this is done from the end of an epoch to the beginning of the next, so that callbacks which come later in
            the list (a `ModelCheckpoint`) see the averages.

    Raises:
        ValueError: when training, if the optimizer keeps no averages.

    Reference: keras.callbacks.SwapEMAWeights.
    """

    def __init__(self, swap_on_epoch: bool = False):
        self.swap_on_epoch = swap_on_epoch
        self._saved: list[tuple[Any, Any]] = []

    def _swap_in(self) -> None:
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError("SwapEMAWeights: the optimizer keeps no averages. Make it with use_ema=True.")
        if self._saved or optimizer.state is None:
            return
        averages = optimizer.state["ema"]
        paths = self.model.bindings
        for v in self.model.variables:
            average = averages.get(paths[id(v)])
            if average is not None:
                self._saved.append((v, v.value))
                v.assign(average)

    def _swap_out(self) -> None:
        for v, value in self._saved:
            v.attach(value)
        self._saved = []

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap_out()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap_in()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._saved = []

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap_in()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap_out()

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap_in()

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self.swap_on_epoch:
            self._swap_out()
