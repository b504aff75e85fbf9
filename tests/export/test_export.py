from __future__ import annotations

import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import export, layers, optimizers
from estimax import feature_columns as fc
from estimax.core.errors import ExportError, InputDataError
from estimax.training import Outputs, Program, Run, TrainOp

N = 200
RNG = np.random.default_rng(0)
AGE = RNG.normal(size=N).astype("float32")
CITY = RNG.choice(["oslo", "rome", "bonn"], N)
LABEL = (AGE > 0).astype("float32")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("vocabulary") / "city.txt"
    vocabulary.write_text("oslo\nrome\n")
    city = fc.categorical_column_with_vocabulary_file("city", str(vocabulary), num_oov_buckets=1)
    tags = fc.categorical_column_with_hash_bucket("tags", 20)
    columns = [fc.numeric_column("age"), fc.indicator_column(city), fc.embedding_column(tags, 3)]

    def forward(mode, features, labels, weights):
        z = layers.Dense(1)(fc.DenseFeatures(columns)(features))[:, 0]
        if mode == "infer":
            return Outputs(predictions={"p": jax.nn.sigmoid(z), "z": z})
        loss = jnp.mean((z - labels) ** 2)
        return Outputs(loss=loss, train_ops=(TrainOp(optimizers.Adagrad(0.1), loss),))

    program = Program(forward)
    run = Run(program)
    tags_of = [["a", "b"][: i % 3] for i in range(N)]
    run.train(
        [
            ({"age": AGE[i : i + 50], "city": CITY[i : i + 50], "tags": tags_of[i : i + 50]}, LABEL[i : i + 50])
            for i in range(0, N, 50)
        ]
    )
    features = {"age": AGE[:5], "city": CITY[:5], "tags": tags_of[:5]}
    folder = tmp_path_factory.mktemp("exports") / "1"
    signatures = export.signatures_of(program, features, run.state, lambda p: {"serving_default": p, "only_z": {"z": p["z"]}})
    path = export.save(folder, signatures, {**run.state.params, **run.state.model_state}, metadata={"made_by": "test"})
    return path, features, next(run.predict([(features,)])), program, run, signatures


def test_the_predictor_gives_the_same_for_raw_rows(trained):
    path, features, want, *_ = trained
    predictor = export.load(path)
    got = predictor(features)
    np.testing.assert_allclose(got["p"], want["p"], rtol=1e-6)
    assert set(predictor(features, "only_z")) == {"z"} and predictor.metadata == {"made_by": "test"}
    rows = [{k: features[k][i] for k in features} for i in range(5)]
    np.testing.assert_allclose(predictor(rows)["p"], want["p"], rtol=1e-6)
    wide = predictor({"age": [0.1], "city": ["oslo"], "tags": [["a", "b", "c", "d", "e"]]})
    assert wide["p"].shape == (1,)


def test_another_process_needs_neither_model_nor_columns(trained, tmp_path):
    path, _, want, *_ = trained
    path = shutil.copytree(path, tmp_path / "moved")  # with its own copy of the vocabulary
    manifest = (path / "estimax_model.json").read_text()
    assert "city.txt" in manifest and "vocabulary0/city.txt" not in manifest
    path = str(path)
    code = (
        f"import json, estimax.export as e\np = e.load({path!r})\n"
        f"print(json.dumps(p({{'age': {AGE[:5].tolist()}, 'city': {CITY[:5].tolist()}, 'tags': {[['a', 'b'][: i % 3] for i in range(5)]}}})['p'].tolist()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(out), want["p"], rtol=1e-6)


def test_the_folder_is_complete_or_absent(trained, tmp_path, monkeypatch):
    *_, run, signatures = trained
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ExportError, match="could not be written.*No space left.*Nothing is left of it"):
        export.save(tmp_path / "2", signatures, run.state.params)
    assert list(tmp_path.iterdir()) == []


def test_bad_calls_say_what_to_do(trained, tmp_path):
    path, features, _, _, run, signatures = trained
    with pytest.raises(ExportError, match="exists already"):
        export.save(path, signatures, run.state.params)
    with pytest.raises(ExportError, match="is no exported model"):
        export.load(tmp_path)
    predictor = export.load(path)
    with pytest.raises(ExportError, match=r"no signature 'x'; it has \['only_z', 'serving_default'\]"):
        predictor(features, "x")
    with pytest.raises(InputDataError, match="'city' is missing"):
        predictor({"age": [1.0], "tags": [["a"]]})
    with pytest.raises(InputDataError, match="Row 1 has features"):
        predictor([{"age": 1.0}, {"city": "x"}])


@pytest.mark.parametrize("file", ["estimax_model.json", "weights.npz", "signature_1.stablehlo"])
def test_a_broken_file_is_named(trained, tmp_path, file):
    path, features, *_ = trained
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    data = (copy / file).read_bytes()
    (copy / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(ExportError, match="is broken"):
        export.load(copy)(features)
