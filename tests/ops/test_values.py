"""The functions on arrays, against NumPy and formulas written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import Variable, ops

A = np.array([[0.3, -1.2, 2.5], [0.1, 0.7, -0.4]], np.float32)
B = np.array([[1.5, 0.5, -2.0], [0.25, 3.0, 1.0]], np.float32)
P = np.abs(A) + np.float32(0.5)
U = A / 3
I = np.array([[3, -2, 5], [0, 1, 4]], np.int32)  # noqa: E741
M = np.array([[4.0, 1.0], [1.0, 3.0]], np.float32)
ROOT = np.linalg.cholesky(M)

# Functions of one and two arrays that NumPy has under the same name.
ONE = (
    "abs absolute angle arccos arcsin arcsinh arctan arctanh cbrt ceil conj cos cosh deg2rad exp exp2 expm1 fabs floor i0 imag isfinite "
    "isinf isnan isneginf isposinf isreal negative rad2deg ravel real sign signbit sin sinc sinh square tan tanh trunc transpose "
    "fliplr flipud nan_to_num all any max min mean median std sum var prod argmax argmin ptp nanmax nanmean nansum nanvar cumsum cumprod diff sort "
    "corrcoef vander diag"
).split()
POSITIVE = "arccosh log log10 log1p log2 reciprocal sqrt".split()
TWO = (
    "add subtract multiply divide true_divide floor_divide mod fmod maximum minimum fmax fmin arctan2 equal not_equal greater greater_equal less "
    "less_equal heaviside hypot logaddexp logaddexp2 nextafter outer kron append isclose"
).split()


def agree(found: Any, expected: Any, tolerance: float = 2e-5) -> None:
    """Lists and tuples of results one by one, all else as arrays."""
    if isinstance(found, (list, tuple)):
        assert len(found) == len(expected)
        for x, y in zip(found, expected):
            agree(x, y, tolerance)
        return
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*ONE, *POSITIVE])
def test_of_one_array(name: str) -> None:
    x = P + 1 if name in POSITIVE else U if name in ("arccos", "arcsin", "arctanh") else A
    x = x[0] if name == "vander" else x
    agree(getattr(ops, name)(x), getattr(np, name)(x))


@pytest.mark.parametrize("name", TWO)
def test_of_two_arrays(name: str) -> None:
    agree(getattr(ops, name)(A, B), getattr(np, name)(A, B))


CASES: list[tuple[Callable[[], Any], Any]] = [
    (lambda: ops.mean(A, axis=1, keepdims=True), A.mean(1, keepdims=True)),
    (lambda: ops.var(A, axis=[0, 1]), A.var()),
    (lambda: ops.max(A, axis=1, initial=2), [2.5, 2]),
    (lambda: ops.average(A, axis=1, weights=[1.0, 2.0, 1.0]), np.average(A, 1, [1, 2, 1])),
    (lambda: ops.quantile(A, [0.25, 0.5], axis=1), np.quantile(A, [0.25, 0.5], 1)),
    (lambda: ops.nanpercentile(A, 30.0), np.percentile(A, 30)),
    (lambda: ops.count_nonzero(I), 5),
    (lambda: ops.clip(A, -0.5, 0.5), A.clip(-0.5, 0.5)),
    (lambda: ops.clip([True, False], 0, 1), [1, 0]),
    (lambda: ops.power(P, 2), P**2),
    (lambda: ops.divide_no_nan(A, [[1.0, 0.0, 2.0]]), [[0.3, 0, 1.25], [0.1, 0, -0.2]]),
    (lambda: ops.bitwise_xor(I, 3), I ^ 3),
    (lambda: ops.left_shift(I, 2), I << 2),
    (lambda: ops.bitwise_not(I), ~I),
    (lambda: ops.gcd(I, 6), np.gcd(I, 6)),
    (lambda: ops.round(I * 17, -1), np.round(I * 17, -1)),
    (lambda: ops.ldexp(A, 2), A * 4),
    (lambda: ops.matmul(A, B.T), A @ B.T),
    (lambda: ops.matmul(np.full((1, 200), 100, np.int8), np.full((200, 1), 100, np.int8)), [[2_000_000]]),
    (lambda: ops.dot(A, B.T), A @ B.T),
    (lambda: ops.vdot(A, B), np.vdot(A, B)),
    (lambda: ops.inner(A, B), np.inner(A, B)),
    (lambda: ops.tensordot(A, B, axes=[[1], [1]]), A @ B.T),
    (lambda: ops.einsum("ij,ij->i", A, B), (A * B).sum(1)),
    (lambda: ops.cross(A, B), np.cross(A, B)),
    (lambda: ops.concatenate([A, B], axis=1), np.concatenate([A, B], 1)),
    (lambda: ops.stack([A, B], axis=-1), np.stack([A, B], -1)),
    (lambda: [ops.hstack([A, B]), ops.vstack([A, B]), ops.dstack([A, B])], [np.hstack([A, B]), np.vstack([A, B]), np.dstack([A, B])]),
    (lambda: ops.split(A, [1], axis=1), np.split(A, [1], 1)),
    (lambda: ops.array_split(A, 2, axis=1), np.array_split(A, 2, 1)),
    (lambda: [ops.hsplit(A, 3), ops.vsplit(A, 2), ops.dsplit(A[..., None], 1)], [np.hsplit(A, 3), np.vsplit(A, 2), [A[..., None]]]),
    (lambda: ops.unstack(A, axis=1), list(A.T)),
    (lambda: ops.reshape(A, (None, 2)), A.reshape(-1, 2)),
    (lambda: ops.reshape(A, (None, -1, 1)), A.reshape(2, 3, 1)),
    (lambda: ops.expand_dims(A, (0, -1)), A[None, ..., None]),
    (lambda: ops.squeeze(A[None], 0), A),
    (lambda: [ops.swapaxes(A, 0, 1), ops.moveaxis(A, 0, -1), ops.transpose(A, [1, 0])], [A.T] * 3),
    (lambda: [ops.repeat(A, 2, axis=0), ops.tile(A, (1, 2)), ops.roll(A, 1, axis=1)], [A.repeat(2, 0), np.tile(A, (1, 2)), np.roll(A, 1, 1)]),
    (lambda: [ops.flip(A, 1), ops.rot90(A, k=-1)], [A[:, ::-1], np.rot90(A, -1)]),
    (lambda: [ops.take(A, [2, 0], axis=1), ops.take_along_axis(A, [[1], [2]], axis=1)], [A[:, [2, 0]], [[-1.2], [-0.4]]]),
    (lambda: ops.select([A > 1, A < 0], [A, B], 7.0), np.select([A > 1, A < 0], [A, B], 7.0)),
    (lambda: ops.where(A > 0, A, 0.0), A.clip(0)),
    (lambda: ops.where([0, 1, 1])[0], [1, 2]),
    (lambda: ops.nonzero(I), np.nonzero(I)),
    (lambda: ops.pad(A, ((0, 1), (1, 0)), constant_values=9.0), np.pad(A, ((0, 1), (1, 0)), constant_values=9.0)),
    (lambda: ops.pad(A, 1, mode="reflect"), np.pad(A, 1, mode="reflect")),
    (lambda: ops.broadcast_to(A[0], (2, 3)), np.broadcast_to(A[0], (2, 3))),
    (lambda: [ops.diagflat([1, 2]), ops.diagonal(M), ops.trace(M), ops.tril(A, -1), ops.triu(A)], [np.diag([1, 2]), [4, 3], 7, np.tril(A, -1), np.triu(A)]),
    (lambda: ops.unique(I, return_counts=True), np.unique(I, return_counts=True)),
    (lambda: ops.unique([3, 1, 3], size=3, fill_value=-1), [1, 3, -1]),
    (lambda: ops.unravel_index([5], (2, 3)), [[1], [2]]),
    (lambda: ops.bincount([[1, 1], [0, 3]], minlength=5), [[0, 2, 0, 0, 0], [1, 0, 0, 1, 0]]),
    (lambda: ops.bincount([1, 1, 0], weights=np.array([0.5, 1, 2], np.float32)), [2, 1.5]),
    (lambda: ops.digitize(A, [0.0, 1.0]), np.digitize(A, [0.0, 1.0])),
    (lambda: ops.histogram(A[0], 2, (-2, 2)), np.histogram(A[0], 2, (-2, 2))),
    (lambda: ops.searchsorted([1, 3, 5], [3, 6], side="right"), [2, 3]),
    (lambda: ops.argsort(A, axis=1), A.argsort(1)),
    (lambda: ops.argpartition([3.0, 1.0, 2.0], 1)[1], 2),
    (lambda: ops.isin(I, [1, 5], invert=True), ~np.isin(I, [1, 5])),
    (lambda: ops.allclose(A, A + 1e-7), True),
    (lambda: ops.trapezoid(A, dx=0.5), np.trapezoid(A, dx=0.5)),
    (lambda: ops.correlate(A[0], B[0], mode="full"), np.correlate(A[0], B[0], "full")),
    (lambda: ops.view(A, "int32"), A.view(np.int32)),
    (lambda: [ops.arange(1, 7, 2), ops.linspace(0, 1, 3), ops.logspace(0, 2, 3), ops.geomspace(1, 4, 3)], [[1, 3, 5], [0, 0.5, 1], [1, 10, 100], [1, 2, 4]]),
    (lambda: [ops.full((2,), 3), ops.full_like(I, 2), ops.ones((1, 2)), ops.zeros(1), ops.eye(2), ops.identity(1)], [[3, 3], np.full_like(I, 2), [[1, 1]], [0], np.eye(2), [[1]]]),
    (lambda: [ops.tri(2), ops.ones_like(I), ops.zeros_like(A), ops.empty((1,)), ops.empty_like(A)], [np.tri(2), np.ones_like(I), A * 0, [0], A * 0]),
    (lambda: [ops.bartlett(5), ops.blackman(5), ops.hamming(5), ops.hanning(5), ops.kaiser(5, 3.0)], [np.bartlett(5), np.blackman(5), np.hamming(5), np.hanning(5), np.kaiser(5, 3.0)]),
    (lambda: ops.meshgrid(A[0], I[0], indexing="ij"), np.meshgrid(A[0], I[0], indexing="ij")),
    (lambda: ops.saturate_cast([1e12, -1e12, 7.0], "int32"), [2**31 - 1, -(2**31), 7]),
    (lambda: [ops.ndim(A), ops.size(A), ops.shape(A)], [2, 6, (2, 3)]),
    (lambda: [ops.det(M), ops.inv(M), ops.cholesky(M), ops.cholesky(M, upper=True)], [11, np.linalg.inv(M), ROOT, ROOT.T]),
    (lambda: [ops.cholesky_inverse(ROOT), ops.cholesky_inverse(ROOT.T, upper=True)], [np.linalg.inv(M)] * 2),
    (lambda: [ops.solve(M, M[0]), ops.solve_triangular(ROOT, M, lower=True)], [[1, 0], np.linalg.solve(ROOT, M)]),
    (lambda: [ops.logdet(M), *ops.slogdet(M)], [np.log(11), 1, np.log(11)]),
    (lambda: [ops.eigh(M)[0], ops.svd(A, compute_uv=False)], [np.linalg.eigvalsh(M), np.linalg.svd(A, compute_uv=False)]),
    (lambda: [ops.lstsq(A.T, B.T), ops.pinv(A), ops.matrix_rank(M)], [np.linalg.lstsq(A.T, B.T, rcond=None)[0], np.linalg.pinv(A), 2]),
    (lambda: np.abs(ops.qr(M)[1]), np.abs(np.linalg.qr(M)[1])),
    (lambda: [ops.norm(I), ops.norm(A, ord=1, axis=1), ops.norm(A, ord="fro")], [np.linalg.norm(I), np.abs(A).sum(1), np.linalg.norm(A)]),
    (lambda: ops.logsumexp(A, axis=1), np.log(np.exp(A).sum(1))),
    (lambda: [ops.erf(0.5), ops.erfc(0.5), ops.erfinv(0.5), ops.rsqrt(4.0)], [0.5204999, 0.4795001, 0.4769363, 0.5]),
    (lambda: [ops.segment_sum(A, [1, 1], 3), ops.segment_max(A, [0, 0], num_segments=1)], [[[0] * 3, A.sum(0), [0] * 3], [A.max(0)]]),
    (lambda: ops.top_k(A, 2), [[[2.5, 0.3], [0.7, 0.1]], [[2, 0], [1, 0]]]),
    (lambda: ops.in_top_k([0, 2], A, k=2), [True, False]),
    (lambda: ops.cdist(A, B), np.linalg.norm(A[:, None] - B[None], axis=-1)),
    (lambda: ops.rfft(A, 4), [np.fft.rfft(A, 4).real, np.fft.rfft(A, 4).imag]),
    (lambda: ops.irfft((A, B)), np.fft.irfft(A + 1j * B)),
    (lambda: ops.fft((A, B)), [np.fft.fft(A + 1j * B).real, np.fft.fft(A + 1j * B).imag]),
    (lambda: ops.ifft2(ops.fft2((A, B))), [A, B]),
    (lambda: ops.view_as_real(ops.view_as_complex(A[:, :2])), A[:, :2]),
    (lambda: ops.istft(ops.stft(np.arange(12, dtype=np.float32), 4, 2, 4), 4, 2, 4), np.arange(12)),
    (lambda: [ops.relu(A), ops.leaky_relu(A, 0.1), ops.sigmoid(A), ops.softplus(A), ops.silu(A)], [A.clip(0), np.where(A > 0, A, A * 0.1), 1 / (1 + np.exp(-A)), np.log1p(np.exp(A)), A / (1 + np.exp(-A))]),
    (lambda: ops.gelu(A, approximate=False)[0, 0], 0.1853755),
    (lambda: ops.softmax(A, axis=0), np.exp(A) / np.exp(A).sum(0)),
    (lambda: [ops.one_hot([2, -1], 3), ops.multi_hot([[0, 0]], 2)], [[[0, 0, 1], [0, 0, 0]], [[1, 0]]]),
    (lambda: ops.moments(A, [1]), [A.mean(1), A.var(1)]),
    (lambda: ops.layer_normalization(A, gamma=B[0], beta=B[1], epsilon=0.0), (A - A.mean(1, keepdims=True)) / A.std(1, keepdims=True) * B[0] + B[1]),
    (lambda: ops.rms_normalization(A, scale=2.0, epsilon=0.0), 2 * A / np.sqrt((A**2).mean(1, keepdims=True))),
    (lambda: ops.batch_normalization(A, B[0], P[0], -1, offset=B[1], scale=P[1], epsilon=0.1), (A - B[0]) / np.sqrt(P[0] + 0.1) * P[1] + B[1]),
    (lambda: [ops.normalize(A, order=1), ops.normalize(A, axis=0)], [A / np.abs(A).sum(1, keepdims=True), A / np.linalg.norm(A, axis=0)]),
    (lambda: ops.binary_crossentropy([1.0, 0.0], [0.2, -0.3], from_logits=True), [np.log1p(np.exp(-0.2)), np.log1p(np.exp(-0.3))]),
    (lambda: ops.sparse_categorical_crossentropy([[0], [1]], A, from_logits=True), np.log(np.exp(A).sum(1)) - [0.3, 0.7]),
    (lambda: ops.categorical_crossentropy([[0.0, 1.0]], [[1.0, 3.0]]), [-np.log(0.75)]),
    (lambda: ops.psnr(A, A + 0.1, 1.0), 20.0),
    (lambda: ops.conv(A[..., None], np.ones((2, 1, 1), np.float32)), (A[:, 1:] + A[:, :-1])[..., None]),
    (lambda: ops.conv_transpose(A[..., None], np.ones((2, 1, 1), np.float32), strides=2), A.repeat(2, 1)[..., None]),
    (lambda: [ops.max_pool(A[..., None], 2, 1), ops.average_pool(A[..., None], 3)], [np.maximum(A[:, 1:], A[:, :-1])[..., None], A.mean(1)[:, None, None]]),
    (lambda: ops.average_pool(A[..., None], 2, 2, padding="same"), np.stack([A[:, :2].mean(1), A[:, 2]], 1)[..., None]),
    (lambda: ops.fold(ops.unfold(M[None, None], 1), 2, 1), M[None, None]),
    (lambda: ops.space_to_depth(ops.depth_to_space(np.arange(16.0).reshape(1, 2, 2, 4), 2), 2), np.arange(16.0).reshape(1, 2, 2, 4)),
    (lambda: ops.scatter([[0], [0], [2]], [1.0, 2.0, 3.0], (3,)), [3, 0, 3]),
    (lambda: [ops.scatter_update([1, 2], [[1]], [5], r) for r in (None, "add", "max", "min", "mul")], [[1, 5], [1, 7], [1, 5], [1, 2], [1, 10]]),
    (lambda: [ops.slice(A, (0, 1), (2, -1)), ops.slice_update(A, (1, 2), [[9.0]])], [A[:, 1:], [A[0], [0.1, 0.7, 9]]]),
    (lambda: ops.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, 1)), [3, 8]),
    (lambda: ops.while_loop(lambda i: i < 30, lambda i: i + 1, 0, maximum_iterations=5), 5),
    (lambda: ops.fori_loop(0, 3, lambda i, v: v + i, 1), 4),
    (lambda: ops.scan(lambda c, x: (c + x, c), 0.0, A[0], reverse=True), [1.6, [1.3, 2.5, 0]]),
    (lambda: ops.associative_scan(lambda a, b: a * b, A, axis=1), A.cumprod(1)),
    (lambda: [ops.cond(True, lambda: 1, lambda: 2), ops.switch(5, [lambda x: x, lambda x: -x], 3)], [1, -3]),
    (lambda: [ops.map(lambda row: row.sum(), A), ops.vectorized_map(lambda row: row.sum(), A)], [A.sum(1)] * 2),
    (lambda: ops.rearrange(A, "a (b c) -> (c a) b", c=3), A.reshape(2, 1, 3).transpose(2, 0, 1).reshape(6, 1)),
    (lambda: ops.jvp(lambda x: x**2, (3.0,), (2.0,)), [9, 12]),
    (lambda: ops.vectorize(lambda a, b: a + b)(A, B), A + B),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_value(case: int) -> None:
    found, expected = CASES[case]
    agree(found(), expected)


def test_inputs_of_every_kind_become_arrays() -> None:
    variable = Variable(jnp.asarray(A), name="v")
    for x in (A, A.tolist(), jnp.asarray(A), variable, A.astype(np.float64)):
        out = ops.multiply(x, 2)
        assert isinstance(out, jax.Array) and out.dtype == jnp.float32
    assert ops.add(jnp.asarray(A, jnp.bfloat16), 1.5).dtype == jnp.bfloat16
    assert ops.cast([1.7], "int64").dtype == jnp.int32
    assert ops.convert_to_tensor(np.array([1])).dtype == jnp.int32
    assert type(ops.convert_to_numpy(variable)) is np.ndarray and ops.is_tensor(ops.ones(1)) and not ops.is_tensor(A)


def test_16_bits_are_summed_in_32() -> None:
    x = np.full(4096, 60000, np.float16)
    assert float(ops.mean(x)) == 60000 and ops.mean(x).dtype == jnp.float16
    assert ops.mean(I).dtype == jnp.float32 and ops.floor(I).dtype == jnp.float32


def test_gradients_pass() -> None:
    gradient = jax.grad(lambda x: ops.sum(ops.divide_no_nan(1.0, x)))(jnp.array([0.0, 2.0]))
    np.testing.assert_allclose(gradient, [0, -0.25])
    assert float(jax.grad(lambda x: ops.stop_gradient(x) * x)(3.0)) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.where([True], 1), "only one of x1 and x2"),
        (lambda: ops.pad(A, 1, "edge", constant_values=1), "given with mode 'edge'"),
        (lambda: ops.one_hot([1], 2, sparse=True), "there are no sparse tensors"),
        (lambda: ops.convert_to_tensor(A, ragged=True), "arrays are dense"),
        (lambda: ops.cholesky(-M), "not positive definite"),
        (lambda: ops.det(A), "expected square matrices"),
        (lambda: ops.norm(A, order=2), "unexpected keyword"),
        (lambda: ops.segment_sum(A, [0, 0]), "num_segments is missing"),
        (lambda: ops.conv(A[..., None], np.ones((2, 2, 1), np.float32)), "expected a kernel"),
        (lambda: ops.max_pool(A[..., None], 2, padding="causal"), "expected 'valid' or 'same'"),
        (lambda: ops.rearrange(A, "a b c -> a"), "each axis once"),
        (lambda: ops.rearrange(A, "a (b c) -> a b c"), "all but one"),
        (lambda: ops.dot_product_attention(A, A, A), r"expected \[batch, time, heads, depth\]"),
        (lambda: ops.fft(A), "expected a pair of arrays"),
        (lambda: ops.ctc_decode(A[None], [2], strategy="best"), "expected 'greedy' or 'beam_search'"),
        (lambda: jax.jit(ops.nonzero)(A), "the shape of the result depends on them"),
        (lambda: ops.image.resize(A[None, ..., None], (0, 2)), "both positive"),
        (lambda: ops.image.pad_images(A[..., None], 1, 1, 1, 1, target_height=9), "exactly two of the three"),
    ],
)  # fmt: skip
def test_bad_use_is_explained(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()
