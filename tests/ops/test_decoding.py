"""CTC: the loss against a sum over all alignments, and beam search against the best of all labels."""

from __future__ import annotations

import itertools

import numpy as np

from estimax import ops

STEPS, CLASSES = 4, 3
LOGITS = np.random.default_rng(0).normal(size=(1, STEPS, CLASSES)).astype(np.float32) * 2


def labels_of(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def probabilities(blank: int) -> dict[tuple[int, ...], float]:
    p = np.exp(LOGITS[0] - np.log(np.exp(LOGITS[0]).sum(-1, keepdims=True)))
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(CLASSES), repeat=STEPS):
        key = labels_of(path, blank)
        found[key] = found.get(key, 0) + float(np.prod([p[t, k] for t, k in enumerate(path)]))
    return found


def test_loss_is_that_of_all_alignments() -> None:
    for labels in ((1, 1), (2,), (2, 1)):
        target = np.array([[*labels, 0, 0][:2]])
        loss = ops.ctc_loss(target, LOGITS, [len(labels)], [STEPS])
        np.testing.assert_allclose(loss, [-np.log(probabilities(0)[labels])], rtol=1e-4)


def test_a_wide_beam_finds_the_best_labels() -> None:
    for blank in (0, 2):
        ranked = sorted(probabilities(blank).items(), key=lambda item: -item[1])[:3]
        paths, scores = ops.ctc_decode(LOGITS, [STEPS], strategy="beam_search", beam_width=50, top_paths=3, mask_index=blank)
        found = [tuple(int(k) for k in path[0] if k >= 0) for path in np.asarray(paths)]
        assert found == [labels for labels, _ in ranked]
        np.testing.assert_allclose(scores[0], np.log([p for _, p in ranked]), rtol=1e-4)


def test_greedy_takes_the_best_class_of_each_step() -> None:
    scores = np.eye(3, dtype=np.float32)[[[1, 1, 0, 1]]]
    for merge, expected in ((True, [1, 1, -1, -1]), (False, [1, 1, 1, -1])):
        labels, total = ops.ctc_decode(scores, [4], merge_repeated=merge)
        assert labels[0, 0].tolist() == expected and total.tolist() == [[-4]]
    assert ops.ctc_decode(scores, [2])[0][0, 0].tolist() == [1, -1, -1, -1]
