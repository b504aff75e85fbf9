from __future__ import annotations

import numpy as np
import pytest

import estimax as ex

E = ex.estimator
fc = ex.feature_columns
MODES = E.ModeKeys


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    rng = np.random.default_rng(0)
    features = {"x": rng.normal(size=(11, 2)).astype(np.float32), "word": rng.choice(["a", "b", "c"], 11)}
    labels = rng.choice(["no", "yes"], (11, 1))
    columns = [fc.numeric_column("x", (2,)), fc.categorical_column_with_hash_bucket("word", 7)]
    estimator = E.LinearClassifier(columns, str(tmp_path_factory.mktemp("model")), label_vocabulary=["no", "yes"])
    estimator.train(lambda: (features, labels), steps=3)
    return estimator, features, labels


def receiver_fn(features, labels):
    return E.experimental.build_raw_supervised_input_receiver_fn({k: v[:2] for k, v in features.items()}, labels[:2])


def test_an_evaluation_pass_gives_what_evaluate_gives(trained, tmp_path):
    estimator, features, labels = trained
    path = estimator.export_saved_model(tmp_path, receiver_fn(features, labels), experimental_mode=MODES.EVAL)
    predictor = ex.export.load(path)
    assert list(predictor.signatures) == ["eval"] and predictor.signatures["eval"]["method"] == "eval"
    assert set(predictor.signatures["eval"]["inputs"]) == {"x", "word", "label"}
    for rows in (11, 5):  # nothing is padded: the loss is that of the given rows
        part = {k: v[:rows] for k, v in features.items()}
        served = predictor({**part, "label": labels[:rows]})
        expected = estimator.evaluate(lambda part=part, rows=rows: (part, labels[:rows]), steps=1)
        np.testing.assert_allclose(served["loss"], expected["loss"], rtol=1e-5)
        for name in ("accuracy", "auc", "average_loss", "label/mean"):
            np.testing.assert_allclose(served[f"metrics/{name}/value"], expected[name], rtol=1e-5)
        own = [p["probabilities"] for p in estimator.predict(lambda part=part: part)]
        np.testing.assert_allclose(served["predictions/probabilities"], own, rtol=1e-5)


def test_all_modes_in_one_export(trained, tmp_path):
    estimator, features, labels = trained
    supervised = receiver_fn(features, labels)
    serving = E.export.build_raw_serving_input_receiver_fn({k: v[:2] for k, v in features.items()})
    path = estimator.experimental_export_all_saved_models(
        tmp_path, {MODES.TRAIN: supervised, MODES.EVAL: supervised, MODES.PREDICT: serving}
    )
    predictor = ex.export.load(path)
    assert {"train", "eval", "predict"} <= set(predictor.signatures) and predictor.default != "train"
    request = {**features, "label": labels}
    np.testing.assert_allclose(predictor(request, "train")["loss"], predictor(request, "eval")["loss"], rtol=1e-6)
    assert predictor(features, "predict")["probabilities"].shape == (11, 2)


def test_a_model_fn_with_one_feature_and_one_label(tmp_path):
    def model_fn(features, labels, mode):
        kept = ex.layers.Dropout(0.5)(features, training=mode == MODES.TRAIN)
        logits = ex.layers.Dense(1)(kept)
        return E.RegressionHead().create_estimator_spec({}, mode, logits, labels=labels, optimizer="sgd")

    x, y = np.ones((6, 4), np.float32), np.ones((6, 1), np.float32)
    estimator = E.Estimator(model_fn, str(tmp_path / "model"))
    estimator.train(lambda: (x, y), steps=1)
    supervised = E.experimental.build_raw_supervised_input_receiver_fn(x[:1], y[:1])
    path = estimator.experimental_export_all_saved_models(tmp_path / "e", {MODES.TRAIN: supervised, MODES.EVAL: supervised})
    predictor = ex.export.load(path)
    request = {"feature": x, "label": y}
    served = predictor(request, "eval")
    np.testing.assert_allclose(served["loss"], estimator.evaluate(lambda: (x, y), steps=1)["loss"], rtol=1e-5)
    assert abs(predictor(request, "train")["loss"] - served["loss"]) > 1e-6  # dropout acts


def test_bad_receivers_are_refused(trained, tmp_path):
    estimator, features, labels = trained
    with pytest.raises(ValueError, match="share the names"):
        E.experimental.build_raw_supervised_input_receiver_fn(features, {"x": labels})
    with pytest.raises(ValueError, match="default_batch_size"):
        E.experimental.build_raw_supervised_input_receiver_fn(features, labels, 8)
    with pytest.raises(ValueError, match="mode: given 'other'"):
        estimator.export_saved_model(tmp_path, receiver_fn(features, labels), experimental_mode="other")
    with pytest.raises(ValueError, match="expected a ServingInputReceiver"):
        estimator.export_saved_model(tmp_path, receiver_fn(features, labels))
    assert not list(tmp_path.iterdir())
