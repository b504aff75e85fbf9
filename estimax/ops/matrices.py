"""Linear algebra on matrices `[..., rows, columns]`, and Einstein sums."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg

from estimax.core import errors
from estimax.layers.operation import OperationFamily, as_array, make_operation
from estimax.layers.symbolic import symbolic_leaves

MATRICES = OperationFamily("keras.src.ops.linalg")
define = MATRICES.define

define("det(x)", lambda x: jnp.linalg.det(_square(x)))
define("inv(x)", lambda x: jnp.linalg.inv(_square(x)))
define("eig(x)", lambda x: tuple(jnp.linalg.eig(_square(x))))
define("eigh(x)", lambda x: tuple(jnp.linalg.eigh(_square(x))))
define("solve(a, b)", lambda a, b: jnp.linalg.solve(_square(a), b))
define("solve_triangular(a, b; lower=False)", lambda a, b, lower: jax.scipy.linalg.solve_triangular(_square(a), b, lower=lower))
define("svd(x; full_matrices=True, compute_uv=True)", jnp.linalg.svd, name="SVD")
define("lstsq(a, b; rcond=None)", lambda a, b, rcond: jnp.linalg.lstsq(a, b, rcond=rcond)[0])
define("matrix_rank(x; tol=None)", lambda x, tol: jnp.linalg.matrix_rank(_matrix(x), rtol=tol).astype(jnp.int32))
define("pinv(x; rcond=None)", lambda x, rcond: jnp.linalg.pinv(_matrix(x), rtol=rcond))


def _matrix(x: jax.Array) -> jax.Array:
    if x.ndim < 2:
        raise errors.ShapeError(f"ops: given shape {x.shape}, expected matrices [..., rows, columns].")
    return x


def _square(x: jax.Array) -> jax.Array:
    if _matrix(x).shape[-1] != x.shape[-2]:
        raise errors.ShapeError(
            f"ops: given shape {x.shape}, expected square matrices [..., n, n]. For others use ops.lstsq or ops.pinv."
        )
    return x


@define("norm(x; ord=None, axis=None, keepdims=False)")
def _norm(x: jax.Array, *, ord: Any, axis: Any, keepdims: bool) -> jax.Array:
    """The norm of vectors or matrices; of integers as float32.

    Args:
        x: an array.
        ord: which norm; the Euclidean (of matrices Frobenius's) one if omitted.
        axis: one axis of vectors, or two of matrices; None for all of `x`.
        keepdims: whether the axes stay, with size 1.

    Example:
        >>> from estimax import ops
        >>> ops.norm([3, 4]).item()
        5.0

    Reference: keras.ops.norm.
    """
    return jnp.linalg.norm(
        x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.float32), ord=ord, axis=axis, keepdims=keepdims
    )


@define("cholesky(x; upper=False)")
def _cholesky(x: jax.Array, *, upper: bool) -> jax.Array:
    """The triangular root of positive definite matrices.

    Args:
        x: `[..., n, n]`.
        upper: whether the root is an upper triangle.

    Raises:
        ValueError: if a matrix is not positive definite; under `jax.jit` the root is NaN then.

    Example:
        >>> from estimax import ops
        >>> ops.cholesky([[4.0, 2.0], [2.0, 5.0]]).tolist()
        [[2.0, 0.0], [1.0, 2.0]]

    Reference: keras.ops.cholesky.
    """
    root = jnp.linalg.cholesky(_square(x), upper=upper)
    if not isinstance(root, jax.core.Tracer) and bool(jnp.isnan(root).any()):
        raise ValueError("ops.cholesky: a matrix is not positive definite. Add a small multiple of the identity to it.")
    return root


@define("cholesky_inverse(x; upper=False)")
def _cholesky_inverse(x: jax.Array, *, upper: bool) -> jax.Array:
    """The inverse of a matrix from its triangular root.

    Args:
        x: the root. Shape `[n, n]`.
        upper: whether it is an upper triangle.

    Example:
        >>> from estimax import ops
        >>> ops.cholesky_inverse([[2.0, 0.0], [0.0, 1.0]]).tolist()
        [[0.25, 0.0], [0.0, 1.0]]

    Reference: keras.ops.cholesky_inverse.
    """
    inverse = jax.scipy.linalg.solve_triangular(_square(x), jnp.eye(x.shape[-1], dtype=x.dtype), lower=not upper)
    return inverse @ inverse.T if upper else inverse.T @ inverse


@define("lu_factor(x)")
def _lu_factor(x: jax.Array) -> Any:
    """The LU decomposition, in one matrix, and the pivots.

    Args:
        x: `[..., rows, columns]`.

    Example:
        >>> from estimax import ops
        >>> ops.lu_factor([[2.0, 1.0], [4.0, 3.0]])[1].tolist()
        [1, 1]

    Reference: keras.ops.lu_factor.
    """
    factor: Callable[..., Any] = jax.scipy.linalg.lu_factor
    for _ in range(_matrix(x).ndim - 2):
        factor = jax.vmap(factor)
    return factor(x)


@define("qr(x; mode='reduced')")
def _qr(x: jax.Array, *, mode: str) -> Any:
    """The decomposition into an orthogonal matrix and an upper triangle.

    Args:
        x: `[..., rows, columns]`.
        mode: `"reduced"` or `"complete"`.

    Raises:
        ValueError: for another mode.

    Example:
        >>> from estimax import ops
        >>> ops.qr([[3.0], [4.0]])[1].shape
        (1, 1)

    Reference: keras.ops.qr.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"ops.qr: mode: given {mode!r}, expected 'reduced' or 'complete'.")
    return tuple(jnp.linalg.qr(_matrix(x), mode=mode))


def _jvp(fun: Any, primals: Any, tangents: Any, *, has_aux: bool) -> Any:
    return jax.jvp(fun, tuple(map(as_array, primals)), tuple(map(as_array, tangents)), has_aux=has_aux)


define("jvp(fun, primals, tangents; has_aux=False)", _jvp, name="JVP", convert=False)

# Keras keeps these among its other families.
DETERMINANTS = OperationFamily("keras.src.ops.numpy")
DETERMINANTS.define("slogdet(x)", lambda x: tuple(jnp.linalg.slogdet(_square(x))))
LOG_DETERMINANTS = OperationFamily("keras.src.ops.math")
LOG_DETERMINANTS.define("logdet(x)", lambda x: jnp.linalg.slogdet(_square(x))[1])


def _einsum(*operands: Any, subscripts: str, **options: Any) -> jax.Array:
    arrays = [as_array(x) for x in operands]
    small = all(x.dtype == jnp.int8 for x in arrays)
    return jnp.einsum(subscripts, *arrays, **options, preferred_element_type=jnp.int32 if small else None)


_EINSUM = make_operation("keras.src.ops.numpy", "Einsum", _einsum, tensors=None, options={"subscripts": inspect.Parameter.empty})


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> jax.Array:
    """Einstein's sum of products; of 8-bit integers in 32 bits.

    Args:
        subscripts: as `"bij,bjk->bik"`.
        *operands: arrays.
        **kwargs: of `jax.numpy.einsum`.

    Example:
        >>> from estimax import ops
        >>> ops.einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1]).tolist()
        [3, 7]

    Reference: keras.ops.einsum.
    """
    if symbolic_leaves(operands):
        return _EINSUM(subscripts=subscripts)(*operands, **kwargs)
    return _einsum(*operands, subscripts=subscripts, **kwargs)


DETERMINANTS.functions["einsum"] = einsum
