"""Data parallelism: batches are split over devices, variables are on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


class DataParallel:
    """Splits every batch over devices; XLA adds up the gradients.

    The numbers are those of one device, but for the rounding of sums. A batch whose rows do not divide evenly goes to all devices whole.

    Args:
        devices: the devices; all local ones by default.

    Raises:
        ValueError: if there is none.

    Example:
        >>> import jax
        >>> DataParallel(jax.devices()[:1]).size
        1

    Reference: tf.distribute.MirroredStrategy, keras.distribution.DataParallel.
    """

    def __init__(self, devices: Sequence[Any] | None = None):
        found = list(jax.local_devices() if devices is None else devices)
        if not found:
            raise ValueError("DataParallel: given no devices, expected at least one. Leave devices out for all local ones.")
        self.devices = found
        self.mesh = Mesh(np.array(found), ("batch",))

    @property
    def size(self) -> int:
        """The number of devices."""
        return len(self.devices)

    def place_batch(self, tree: Any, axis: int = 0) -> Any:
        """Arrays on the devices, split along the batch axis.

        Args:
            tree: host arrays.
            axis: the batch axis; arrays without it go to all devices.
        """

        def place(x: Any) -> Any:
            split = np.ndim(x) > axis and np.shape(x)[axis] % self.size == 0
            spec = PartitionSpec(*([None] * axis), "batch") if split else PartitionSpec()
            return jax.device_put(x, NamedSharding(self.mesh, spec))

        return jax.tree.map(place, tree)

    def place_state(self, tree: Any) -> Any:
        """Arrays whole on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def __repr__(self) -> str:
        return f"DataParallel({self.size} devices)"
