"""Layers as functions, with the names of tf.compat.v1.layers, in a model_fn."""

from __future__ import annotations

import numpy as np

import estimax as ex


def model_fn(features, labels, mode):
    training = mode == ex.estimator.ModeKeys.TRAIN
    layers = ex.layers.legacy
    net = layers.conv2d(features["image"], filters=2, kernel_size=3, padding="same", activation="relu")
    net = layers.batch_normalization(net, training=training)
    net = layers.dropout(layers.flatten(layers.max_pooling2d(net, 2, 2)), rate=0.25, training=training)
    logits = layers.dense(net, 3)
    predictions = {"class": logits.argmax(-1)}
    if mode == ex.estimator.ModeKeys.PREDICT:
        return ex.estimator.EstimatorSpec(mode, predictions=predictions)
    loss = ex.losses.legacy.sparse_softmax_cross_entropy(labels, logits)
    accuracy = ex.metrics.legacy.accuracy(labels, predictions["class"])
    ex.summary.scalar("accuracy", accuracy[1])
    optimizer = ex.optimizers.legacy.train.GradientDescentOptimizer(0.1)
    train_op = optimizer.minimize(loss, global_step=ex.estimator.get_global_step())
    return ex.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops={"accuracy": accuracy})


def test_a_model_fn_in_tensorflow_1_style(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 4, 4, 1)).astype("float32"), rng.integers(0, 3, 8)
    estimator = ex.estimator.Estimator(model_fn, str(tmp_path))
    train = ex.data.numpy_input_fn({"image": images}, labels, batch_size=4, num_epochs=None, shuffle=True)
    estimator.train(train, steps=3)
    names = set(estimator.get_variable_names())
    assert {"conv2d/kernel", "batch_normalization/moving_mean", "dense/bias"} <= names
    assert np.any(estimator.get_variable_value("batch_normalization/moving_mean") != 0)
    given = ex.data.numpy_input_fn({"image": images}, labels, batch_size=3, shuffle=False)
    result = estimator.evaluate(given)
    predicted = np.array([p["class"] for p in estimator.predict(given)])
    assert result["accuracy"] == np.mean(predicted == labels).astype(np.float32)


def test_other_layers_give_the_shapes_of_their_classes():
    layers, images, series = ex.layers.legacy, np.ones((2, 4, 4, 3), "float32"), np.ones((2, 6, 3), "float32")
    assert layers.conv1d(series, 5, 3, strides=2).shape == (2, 2, 5)
    assert layers.conv3d(np.ones((2, 4, 4, 4, 1), "float32"), 2, 2).shape == (2, 3, 3, 3, 2)
    assert layers.conv2d_transpose(images, 5, 2, strides=2).shape == (2, 8, 8, 5)
    assert layers.separable_conv2d(images, 5, 3, padding="same").shape == (2, 4, 4, 5)
    assert layers.max_pooling1d(series, 2, 2).shape == layers.average_pooling1d(series, 2, 2).shape == (2, 3, 3)
    assert layers.average_pooling2d(images, 2, 2).shape == (2, 2, 2, 3)
