"""TensorFlow's own checkpoints and SavedModels: read, evaluated and served by estimax."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estimax as ex
from estimax.data import tf_checkpoints
from estimax.estimator.export.receivers import sample_of
from tests.golden import golden
from tests.golden.test_tf_canned import _joined
from tests.golden.tf_objects import batches, build

TF = "tf"


def _path(tree: dict) -> str:
    return str(golden.root() / TF / tree["file"])


def _config(model_dir: Any) -> Any:
    return ex.estimator.RunConfig(
        model_dir=str(model_dir),
        save_checkpoints_secs=None,
        save_checkpoints_steps=None,
        log_step_count_steps=None,
        save_summary_steps=None,
    )


def _compare(got: dict[str, Any], want: dict[str, Any], what: str, tolerance: dict) -> None:
    for name, value in want.items():
        if "as_float32" in value:
            golden.assert_tf(
                np.asarray(got[name]).astype(np.float32), golden.value(value["as_float32"]), what=f"{what} {name}", **tolerance
            )
        else:
            golden.assert_tf(got[name], golden.value(value), what=f"{what} {name}", **tolerance)


@golden.parametrize("tf", "checkpoints")
def test_checkpoint(file: str, case: dict, tmp_path: Path) -> None:
    meta = golden.read(file)
    tolerance = {"rtol": meta["rtol"], "atol": meta["atol"]}
    if "checkpoint_prefix" in case:
        got = tf_checkpoints.read(_path(case["checkpoint_prefix"]))
        assert set(got) == set(case["expected"]["variables"])
        _compare(got, case["expected"]["variables"], "variable", tolerance)
    elif "model_dir" in case:
        _estimator(case, tmp_path, tolerance)
    else:
        _saved_model(case, tmp_path, tolerance)


def _estimator(case: dict, tmp_path: Path, tolerance: dict) -> None:
    """An Estimator on a model_dir that TensorFlow wrote goes on from there."""
    folder, expected = _path(case["model_dir"]), case["expected"]
    (tmp_path / "model").mkdir()
    for source in Path(folder).iterdir():
        (tmp_path / "model" / source.name).write_bytes(source.read_bytes())
    estimator = build(case["estimator"], config=_config(tmp_path / "model"))
    assert Path(estimator.latest_checkpoint()).name == expected["latest_checkpoint"]
    assert int(estimator.get_variable_value("global_step")) == expected["global_step"]
    assert estimator.get_variable_names() == sorted(expected["variables"])
    _compare({n: estimator.get_variable_value(n) for n in expected["variables"]}, expected["variables"], "variable", tolerance)
    size = case["batch_size"]
    if "evaluate" in expected:
        got = estimator.evaluate(lambda: batches(case["features"], case["labels"], size, repeat=False))
        for key, want in expected["evaluate"].items():
            np.testing.assert_allclose(got[key], float(want), err_msg=f"evaluate {key}", **tolerance)
    rows = list(estimator.predict(lambda: batches(case["features"], None, size, repeat=False)))
    got = {_joined(k): np.stack([row[k] for row in rows]) for k in rows[0]}
    _compare(got, expected["predict"], "predict", tolerance)
    # Training goes on: all variables, slots too, come from TensorFlow's files.
    estimator.train(lambda: batches(case["features"], case["labels"], size, repeat=True), steps=1)
    assert int(estimator.get_variable_value("global_step")) == expected["global_step"] + 1
    assert estimator.get_variable_names() == sorted(expected["variables"])


def _saved_model(case: dict, tmp_path: Path, tolerance: dict) -> None:
    """The weights of a SavedModel under the same estimator give the SavedModel's answers, also after an export of our own."""
    folder, expected = _path(case["saved_model"]), case["expected"]
    variables = tf_checkpoints.read(folder)
    assert set(variables) == set(expected["variables"])
    _compare(variables, expected["variables"], "variable", tolerance)
    kwargs = case["estimator"]["kwargs"]
    columns = [c for k in kwargs if k.endswith("feature_columns") for c in build({"fn": "make_columns", "args": [kwargs[k]]})]
    estimator = build(case["estimator"], config=_config(tmp_path))
    if "serialized" in case:
        spec = ex.feature_columns.make_parse_example_spec(columns)
        receiver = ex.estimator.export.build_parsing_serving_input_receiver_fn(spec)
        request: Any = np.array([base64.b64decode(s) for s in case["serialized"]], object)
    else:
        request = {k: golden.value(v) for k, v in case["inputs"].items()}
        receiver = ex.estimator.export.build_raw_serving_input_receiver_fn({k: sample_of(v) for k, v in request.items()})
    path = estimator.export_saved_model(str(tmp_path / "exports"), receiver, checkpoint_path=folder)
    predictor = ex.export.load(path)
    if "tags" in expected:
        assert expected["tags"] == ["serve"]
    for name, want in expected["signatures"].items():
        assert set(predictor.signatures[name]["inputs"]) == set(want["inputs"])
        for key, described in want["inputs"].items():
            assert predictor.signatures[name]["inputs"][key]["dtype"] == described["dtype"]
        given = request if isinstance(request, dict) else {"examples": request}
        _compare(predictor(given, name), want["outputs"], name, tolerance)
        method = {"predict": "predict", "classify": "classify", "regress": "regress"}[
            expected["method_names"][name].rsplit("/", 1)[1]
        ]
        assert predictor.signatures[name]["method"] == method


@pytest.mark.parametrize("cut", [0, 1, 7, 48, 100])
def test_a_cut_or_changed_index_is_refused(cut: int, tmp_path: Path) -> None:
    source = golden.root() / TF / "checkpoints" / "raw" / "shapes.index"
    if not source.exists():
        pytest.skip("no golden cases")
    data = source.read_bytes()
    (tmp_path / "x.data-00000-of-00001").write_bytes(source.with_name("shapes.data-00000-of-00001").read_bytes())
    for damaged in (data[: len(data) - 1 - cut], data[:cut] + bytes([data[cut] ^ 0x55]) + data[cut + 1 :]):
        (tmp_path / "x.index").write_bytes(damaged)
        with pytest.raises(ex.errors.CheckpointError, match="damaged"):
            tf_checkpoints.read(str(tmp_path / "x"))
