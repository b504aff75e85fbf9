"""Low-rank adaptation: freeze a kernel, and train a thin correction to it."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import Variable


class LowRank:
    """Mixed into layers with a `kernel`: adds `lora_kernel_a @ lora_kernel_b`, scaled, to the frozen kernel.

    Reference: Hu et al., "LoRA", arXiv:2106.09685.
    """

    kernel: Variable
    name: str
    add_weight: Any

    def set_lora(self, rank: int | None, alpha: float | None) -> None:
        """Keeps the constructor's arguments.

        Raises:
            ValueError: if the rank is not positive.
        """
        if rank is not None and rank <= 0:
            raise ValueError(f"{type(self).__name__}: lora_rank: given {rank}, expected a positive integer or None.")
        self.lora_rank = rank
        self.lora_alpha = alpha if alpha is not None else rank
        self.lora_kernel_a: Variable | None = None
        self.lora_kernel_b: Variable | None = None

    def enable_lora(
        self,
        rank: int,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
        lora_alpha: float | None = None,
    ) -> None:
        """Freezes the kernel and trains a correction of low rank to it.

        Raises:
            ValueError: if the layer has one already, is not built, or the rank is not positive.
        """
        if self.lora_kernel_a is not None or not hasattr(self, "kernel"):
            state = "has it already" if self.lora_kernel_a is not None else "is not built; call it once first"
            raise ValueError(f'{type(self).__name__} "{self.name}": enable_lora: the layer {state}.')
        self.set_lora(rank, lora_alpha)
        *front, last = self.kernel.shape
        self.lora_kernel_a = self.add_weight((*front, rank), a_initializer, name="lora_kernel_a")
        self.lora_kernel_b = self.add_weight((rank, last), b_initializer, name="lora_kernel_b")
        self.kernel.trainable = False

    def corrected_kernel(self) -> jax.Array:
        """The kernel with its correction, if there is one."""
        kernel = self.kernel.value
        if self.lora_kernel_a is None:
            return kernel
        scale = self.lora_alpha / self.lora_rank  # type: ignore[operator]
        return kernel + scale * (self.lora_kernel_a.value @ self.lora_kernel_b.value)  # type: ignore[union-attr]
