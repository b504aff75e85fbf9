from __future__ import annotations

import numpy as np
import pytest

import estimax as ex

E = ex.estimator
fc = ex.feature_columns


def rows(seed=0):
    """Sequences of 1 to 4 words, a class for each of 4 steps."""
    rng = np.random.default_rng(seed)
    words = [list(rng.choice(["a", "b", "c"], n)) for n in (4, 1, 3, 2, 4)]
    labels = np.zeros((5, 4), np.int32)
    for i, sequence in enumerate(words):
        labels[i, : len(sequence)] = ["abc".index(w) for w in sequence]
    return {"word": words}, labels, np.arange(4)[None] < np.array([4, 1, 3, 2, 4])[:, None]


def classifier(tmp_path, n_classes=3, **options):
    column = fc.sequence_categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    return E.experimental.RNNClassifier(
        [fc.embedding_column(column, 3)],
        units=[4],
        model_dir=str(tmp_path),
        n_classes=n_classes,
        return_sequences=True,
        **options,
    )


def entropy_of(predictions, labels, width):
    probabilities = np.stack([p["probabilities"][:width] for p in predictions])
    return -np.log(np.take_along_axis(probabilities, labels[..., None], -1))[..., 0]


def test_steps_of_padding_count_nothing(tmp_path):
    features, labels, mask = rows()
    model = classifier(tmp_path)
    model.train(lambda: (features, labels), steps=2)
    found = model.evaluate(lambda: (features, labels), steps=1)
    predictions = list(model.predict(lambda: features))
    np.testing.assert_array_equal([p["sequence_mask"][:4] for p in predictions], mask)
    losses = entropy_of(predictions, labels, 4)
    np.testing.assert_allclose(found["loss"], losses[mask].mean(), rtol=1e-5)
    right = np.stack([p["class_ids"][:4, 0] for p in predictions]) == labels
    np.testing.assert_allclose(found["accuracy"], right[mask].mean(), rtol=1e-6)
    other = labels.copy()
    other[~mask] = 2  # what stands after the end of a sequence changes nothing
    assert model.evaluate(lambda: (features, other), steps=1) == found


def test_it_learns_and_a_short_last_batch_is_exact(tmp_path):
    features, labels, mask = rows()
    model = classifier(tmp_path, optimizer=ex.optimizers.Adam(0.05))

    def batches():
        for part in (slice(0, 3), slice(3, 5)):
            yield {"word": features["word"][part]}, labels[part]

    model.train(lambda: (features, labels), steps=150)
    whole, parts = model.evaluate(lambda: (features, labels), steps=1), model.evaluate(batches)
    assert whole["accuracy"] == 1.0
    np.testing.assert_allclose(parts["average_loss"], whole["average_loss"], rtol=1e-5)


def test_weights_a_mask_that_is_given_and_two_classes(tmp_path):
    features, labels, mask = rows()
    labels = labels[:, :, None] % 2
    weights = np.arange(1, 6, dtype=np.float32)
    given = mask.copy()
    given[0, 1:] = False
    features = {**features, "w": weights, "real": given}
    model = classifier(tmp_path, n_classes=2, weight_column="w", sequence_mask="real")
    model.train(lambda: (features, labels), steps=1)
    found = model.evaluate(lambda: (features, labels), steps=1)
    predictions = list(model.predict(lambda: features))
    losses = entropy_of(predictions, labels[..., 0], 4)
    w = np.broadcast_to(weights[:, None], (5, 4))
    np.testing.assert_allclose(found["average_loss"], np.average(losses[given], weights=w[given]), rtol=1e-5)
    np.testing.assert_allclose(found["loss"], (losses * w)[given].sum() / given.sum(), rtol=1e-5)


def test_bad_labels_are_refused(tmp_path):
    features, labels, _ = rows()
    with pytest.raises(ValueError, match="label_vocabulary"):
        classifier(tmp_path, label_vocabulary=["a", "b", "c"])
    model = classifier(tmp_path)
    with pytest.raises(ValueError, match="batch, steps"):
        model.train(lambda: (features, labels[:, 0]), steps=1)
    with pytest.raises(ValueError, match="class numbers"):
        model.train(lambda: (features, [["a"], ["b"], ["c"], ["a"], ["b", "c"]]), steps=1)
