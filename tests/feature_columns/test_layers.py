"""The layers: eager, inside pure calls as the engine makes them, and saved."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from estimax import feature_columns as fc
from estimax import initializers, layers
from estimax.core import Features, Frame, HostContext, HostTransform, deserialize, name_scope, serialize

AGE = fc.numeric_column("age")
SCALED = fc.bucketized_column(fc.numeric_column("age", normalizer_fn=lambda x: x / 10), [2, 4])
JOB = fc.categorical_column_with_vocabulary_list("job", ["cook", "smith"])
TAGS = fc.weighted_categorical_column(fc.categorical_column_with_hash_bucket("tags", 10), "w")
RAW = {
    "age": np.array([15, 30, 60]),
    "job": np.array(["cook", "smith", "lawyer"]),
    "tags": pa.array([["x", "y"], [], ["z"]]),
    "w": pa.array([[1.0, 2.0], [], [3.0]]),
}


def deep_columns():
    return [
        AGE,
        fc.embedding_column(fc.crossed_column([SCALED, "job"], 100), 3),
        fc.indicator_column(JOB),
        fc.embedding_column(TAGS, 2),
    ]


class Compiled:
    """A forward function as the engine treats it: an abstract pass that finds the host values, then a pure call of arrays."""

    def __init__(self, forward, raw=RAW):
        names = {k: f"features/{k}" for k in raw}
        self.forward, self.features = forward, Features(names, frozenset(n for n in names.values() if n != "features/age"))
        self.raw = {names[k]: v for k, v in raw.items()}
        host = HostContext(sample=self.raw)

        def record(key):
            with Frame(creates="record", key=key, naming=True, host=host) as frame:
                forward(self.features)
                return frame.values

        self.values = jax.jit(record)(jax.random.key(0))
        self.transform = host.transform()

    def __call__(self, arrays):
        def run(values, arrays):
            with Frame(values, creates="find", naming=True, host=HostContext(arrays=arrays)):
                return self.forward(self.features)

        return jax.jit(run)(self.values, arrays)


def test_compiled_and_eager_agree_and_the_transform_survives_json():
    model = Compiled(
        lambda features: (fc.input_layer(features, deep_columns()), fc.linear_model(features, [JOB, SCALED, AGE, TAGS]))
    )
    assert sorted(model.values) == [
        "input_layer/age_bucketized_X_job_embedding/embedding_weights", "input_layer/tags_weighted_by_w_embedding/embedding_weights",
        "linear_model/age/weights", "linear_model/age_bucketized/weights", "linear_model/bias_weights", "linear_model/job/weights",
        "linear_model/tags_weighted_by_w/weights",
    ]  # fmt: skip
    arrays = model.transform(model.raw)
    deep, wide = model(arrays)
    layer = fc.DenseFeatures(deep_columns(), name="input_layer")
    layer(RAW)
    for v in layer.variables:
        v.assign(model.values[v.path])
    np.testing.assert_allclose(layer(RAW), deep, rtol=1e-6)
    assert wide.shape == (3, 1)
    again = HostTransform.from_config(json.loads(json.dumps(model.transform.get_config())))
    np.testing.assert_array_equal(model(again(model.raw))[0], deep)
    assert set(again(model.raw)) == set(arrays)


def test_host_arrays_have_the_batch_first_and_small_types():
    model = Compiled(lambda features: fc.input_layer(features, deep_columns()))
    for array in jax.tree.leaves(model.transform(model.raw)):
        assert array.shape[0] == 3 and array.dtype in (np.float32, np.int32)


def test_padding_rows_give_nothing():
    model = Compiled(lambda features: fc.linear_model(features, [JOB, TAGS, SCALED]))
    model.values = {k: jnp.ones_like(v) for k, v in model.values.items()}
    arrays, fill = model.transform(model.raw), model.transform.pad_values()
    padded = {
        k: jax.tree.map(lambda x, k=k: np.concatenate([x, np.full((2, *x.shape[1:]), fill[k], x.dtype)]), v)
        for k, v in arrays.items()
    }
    np.testing.assert_array_equal(np.asarray(model(padded))[:3], model(arrays))
    np.testing.assert_array_equal(np.asarray(model(padded))[3:], [[1.0], [1.0]])  # the bias


def test_the_layer_is_pure_under_apply_and_has_gradients():
    layer = fc.DenseFeatures([fc.embedding_column(JOB, 2, initializer=initializers.Ones()), AGE])
    layer(RAW)

    def loss(values):
        y, _ = layer.apply(values, RAW)
        return jnp.sum(y)

    gradient = jax.jit(jax.grad(loss))(layer.values)["dense_features/job_embedding/embedding_weights"]
    assert gradient.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_features_that_the_model_computed():
    def forward(x):
        features = {"age": x * 2.0, "zone": jnp.asarray(x, jnp.int32)}
        zone = fc.categorical_column_with_identity("zone", 3, default_value=0)
        columns = [AGE, fc.bucketized_column(AGE, [3.0]), fc.indicator_column(zone)]
        return fc.DenseFeatures(columns)(features)

    want = [[2.0, 1.0, 0.0, 0.0, 1.0, 0.0], [14.0, 0.0, 1.0, 1.0, 0.0, 0.0]]
    assert jax.jit(forward)(jnp.array([1.0, 7.0])).tolist() == want
    assert forward(jnp.array([1.0, 7.0])).tolist() == want
    with pytest.raises(TypeError, match="feature 'job' is an array computed inside the model, but ids are made on the host"):
        jax.jit(lambda x: fc.linear_model({"job": x}, [JOB]))(jnp.ones(2))


def test_each_columns_own_part():
    parts: dict = {}
    joined = fc.input_layer(RAW, [AGE, fc.indicator_column(JOB)], cols_to_output_tensors=parts)
    assert parts[AGE].tolist() == [[15.0], [30.0], [60.0]] and parts[fc.indicator_column(JOB)].shape == (3, 2)
    np.testing.assert_array_equal(joined, jnp.concatenate([parts[AGE], parts[fc.indicator_column(JOB)]], 1))


def test_shared_tables_are_one_variable():
    columns = fc.shared_embeddings([fc.categorical_column_with_identity(k, 4) for k in ("seen", "bought")], 2, trainable=False)
    layer = fc.DenseFeatures(columns)
    layer({"seen": [1], "bought": [2]})
    assert [(v.path, v.trainable) for v in layer.variables] == [("dense_features/bought_seen_shared_embedding", False)]


def test_paths_follow_the_scopes_of_premade_estimators():
    with name_scope("dnn"), name_scope("input_from_feature_columns"):
        layer = fc.DenseFeatures([fc.embedding_column(JOB, 2)], name="input_layer")
        layer(RAW)
    assert layer.variables[0].path == "dnn/input_from_feature_columns/input_layer/job_embedding/embedding_weights"


@pytest.mark.parametrize(
    "layer",
    [
        fc.DenseFeatures([AGE, fc.embedding_column(JOB, 2)], name="a"),
        fc.LinearModel([AGE, JOB], units=3, sparse_combiner="mean"),
        fc.SequenceFeatures([fc.sequence_numeric_column("age")]),
    ],
)
def test_layers_survive_json(layer):
    again = deserialize(json.loads(json.dumps(serialize(layer))))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()
    assert [c.name for c in again.feature_columns] == [c.name for c in layer.feature_columns]


def test_symbolic_inputs_give_the_width_of_the_columns():
    inputs = {"age": layers.Input(shape=(1,), name="age"), "job": layers.Input(shape=(1,), dtype="string", name="job")}
    out = fc.DenseFeatures([AGE, fc.embedding_column(JOB, 5)])(inputs)
    assert out.shape == (None, 6)


def test_a_frozen_layer_has_no_trainable_variables():
    layer = fc.LinearModel([AGE], trainable=False)
    layer({"age": [1.0]})
    assert layer.trainable_variables == [] and len(layer.variables) == 2


def test_sequences_in_containers_of_a_width_keep_it_and_ragged_ones_are_rounded():
    column = fc.indicator_column(fc.sequence_categorical_column_with_identity("s", 3))
    layer = fc.SequenceFeatures([column, fc.sequence_numeric_column("t")])
    output, lengths = layer({"s": [[1, 2, 0], [1]], "t": pa.array([[1.0, 2.0, 3.0], [4.0]])})
    assert output.shape == (2, 4, 4) and lengths.tolist() == [3, 1]
    output, lengths = fc.SequenceFeatures([column])({"s": np.array([[1, 2, 0], [1, -1, -1]])})
    assert output.shape == (2, 3, 3) and lengths.tolist() == [3, 1]


def test_a_table_starts_from_a_checkpoint(tmp_path):
    from estimax.core import TrainState
    from estimax.training.checkpoints import Checkpointer

    table = jnp.arange(4.0).reshape(2, 2)
    state = TrainState(jnp.int32(5), {"net/job_embedding/embedding_weights": table}, {}, {}, jax.random.key(0))
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save(state)
    checkpoints.close()
    name = "net/job_embedding/embedding_weights"
    column = fc.embedding_column(JOB, 2, ckpt_to_load_from=str(tmp_path), tensor_name_in_ckpt=name)
    assert fc.input_layer({"job": ["smith"]}, [column]).tolist() == [[2.0, 3.0]]
    for changes, match in (
        ({"tensor_name_in_ckpt": "x"}, "has no variable 'x'. It has: net/"),
        ({"dimension": 3}, "expected \\(2, 3\\)"),
    ):
        wrong = fc.embedding_column(
            JOB, **{"dimension": 2, "ckpt_to_load_from": str(tmp_path), "tensor_name_in_ckpt": name, **changes}
        )
        with pytest.raises(ValueError, match=match):
            fc.input_layer({"job": ["smith"]}, [wrong])
    absent = fc.embedding_column(JOB, 2, ckpt_to_load_from=str(tmp_path / "no"), tensor_name_in_ckpt=name)
    with pytest.raises(ValueError, match="there is no such folder"):
        fc.input_layer({"job": ["smith"]}, [absent])


def test_a_sequential_over_features_fits_saves_and_loads(tmp_path):
    import estimax as ex

    columns = [
        fc.numeric_column("age", normalizer_fn=fc.Standardize(40.0, 10.0)),
        fc.embedding_column(JOB, 3),
        fc.indicator_column(JOB),
    ]
    model = ex.Sequential([fc.DenseFeatures(columns), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    features = {"age": np.array([15.0, 30.0, 60.0], np.float32), "job": RAW["job"]}
    model.fit(features, np.array([0.0, 1.0, 0.0]), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = ex.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(features, verbose=0), model.predict(features, verbose=0), rtol=1e-6)
    assert [v.path for v in again.variables] == [v.path for v in model.variables]


def test_columns_read_what_their_spec_parses():
    from estimax import data

    terms = fc.weighted_categorical_column(fc.categorical_column_with_identity("term", 3), "w")
    steps = fc.sequence_numeric_column("t")
    columns = [fc.numeric_column("age", default_value=7.0), fc.indicator_column(JOB), fc.indicator_column(terms)]
    examples = [
        data.Example({"age": [3.0], "job": ["cook", "smith"], "term": [1, 2], "w": [0.5, 1.5], "t": [1.0]}).serialize(),
        data.Example({"job": ["lawyer"], "t": [2.0, 3.0, 4.0]}).serialize(),
    ]
    parsed = data.parse_example(examples, fc.make_parse_example_spec([*columns, steps]))
    assert fc.input_layer(parsed, columns).tolist() == [[3.0, 1.0, 1.0, 0.0, 0.5, 1.5], [7.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    output, lengths = fc.SequenceFeatures([steps])(parsed)
    assert output.shape == (2, 3, 1) and lengths.tolist() == [1, 3]


def test_a_table_starts_from_a_checkpoint_of_tensorflow():
    from estimax.data import tf_checkpoints
    from tests.golden import golden

    folder = golden.root() / "tf" / "checkpoints" / "wide_and_deep"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    variables = tf_checkpoints.read(str(folder / "model.ckpt-5"))
    name = next(n for n, v in variables.items() if n.endswith("embedding_weights"))
    rows, dimension = variables[name].shape
    ids = fc.categorical_column_with_identity("x", rows)
    for path in (folder, folder / "model.ckpt-5"):
        column = fc.embedding_column(ids, dimension, ckpt_to_load_from=str(path), tensor_name_in_ckpt=name)
        np.testing.assert_array_equal(fc.input_layer({"x": np.arange(rows)}, [column]), variables[name])
