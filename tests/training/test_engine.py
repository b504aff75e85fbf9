from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import core, layers, optimizers
from estimax.core.errors import CheckpointError, InputDataError
from estimax.training import Checkpointer, Hook, Outputs, Program, Run, TrainOp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1000, 8)).astype("float32")
Y = (X.sum(1) > 0).astype("float32")


class Counting:
    """Batches in order without end, with a position that can be saved."""

    def __init__(self, size=32, rows=1000):
        self.size, self.rows, self.position = size, rows, 0

    def __iter__(self):
        return self

    def __next__(self):
        i = (self.position * self.size) % self.rows
        self.position += 1
        return {"x": X[i : i + self.size]}, Y[i : i + self.size]

    def get_state(self):
        return {"position": self.position}

    def set_state(self, state):
        self.position = state["position"]


def take(batches, n):
    for _, batch in zip(range(n), batches):
        yield batch


def forward_of(optimizer, dropout=0.0, weighted=True):
    def forward(mode, features, labels, weights):
        h = layers.Dense(16, activation="relu")(features["x"])
        if dropout:
            h = layers.Dropout(dropout)(h)
        z = layers.Dense(1)(h)[:, 0]
        if mode == "infer":
            return Outputs(predictions={"logit": z})
        loss_of_row = jnp.maximum(z, 0) - z * labels + jnp.log1p(jnp.exp(-jnp.abs(z)))
        if weighted:
            mask = core.row_mask(is_loss=True)
            loss = jnp.sum(loss_of_row if mask is None else jnp.where(mask, loss_of_row, 0)) / core.row_count(z)
        else:
            loss = loss_of_row.mean()
        return Outputs(loss=loss, predictions={"logit": z}, metrics={"loss": loss}, train_ops=(TrainOp(optimizer, loss),))

    return forward


def values(run):
    return {p: np.asarray(v) for p, v in run.state.params.items()}


def same(a, b):
    return set(a) == set(b) and all(np.array_equal(a[p], b[p]) for p in a)


def test_numbers_do_not_depend_on_how_steps_are_grouped():
    found = []
    for group in (1, 4, 16):
        run = Run(Program(forward_of(optimizers.Adam(0.01), dropout=0.3), seed=3), group=group)
        run.train(take(Counting(), 37))
        found.append(values(run))
    assert same(found[0], found[1]) and same(found[0], found[2])


def test_training_learns_and_nothing_is_compiled_twice():
    program = Program(forward_of(optimizers.Adam(0.01)))
    run = Run(program, group=8)
    run.train(take(Counting(), 100))
    first = run.evaluate(take(Counting(), 5))
    before = program.traces
    run.train(take(Counting(), 300))
    assert run.evaluate(take(Counting(), 5))["loss"] < first["loss"]
    again = Run(program, run.state, group=8)
    again.train(take(Counting(), 10))
    again.evaluate(take(Counting(), 1))
    assert program.traces == before and again.step == 410


def test_a_short_last_batch_is_padded_and_counts_exactly():
    program = Program(forward_of(optimizers.SGD(0.1)))
    run = Run(program)
    run.train(take(Counting(), 3))
    batches = [({"x": X[:32]}, Y[:32]), ({"x": X[32:45]}, Y[32:45])]
    got = run.evaluate(batches)["loss"]
    losses = [run.evaluate([b])["loss"] for b in batches]
    assert got == pytest.approx(np.mean(losses), rel=1e-6)
    p = values(run)
    z = (np.maximum(X[32:45] @ p["dense/kernel"] + p["dense/bias"], 0) @ p["dense_1/kernel"] + p["dense_1/bias"])[:, 0]
    assert losses[1] == pytest.approx(np.mean(np.log1p(np.exp(z)) - Y[32:45] * z), rel=1e-5)
    assert program.traces == 2


def test_a_loss_that_knows_no_padding_sees_the_exact_rows():
    run = Run(Program(forward_of(optimizers.SGD(0.1), weighted=False)))
    run.train(take(Counting(), 3))
    losses = [run.evaluate([({"x": X[:n]}, Y[:n])])["loss"] for n in (32, 5)]
    weighted = Run(Program(forward_of(optimizers.SGD(0.1))))
    weighted.train(take(Counting(), 3))
    assert losses == pytest.approx([weighted.evaluate([({"x": X[:n]}, Y[:n])])["loss"] for n in (32, 5)], rel=1e-6)


def test_predictions_come_row_by_row_without_padding():
    run = Run(Program(forward_of(optimizers.SGD(0.1))))
    run.train(take(Counting(), 3))
    out = list(run.predict([({"x": X[:32]},), ({"x": X[32:37]},)]))
    assert [len(o["logit"]) for o in out] == [32, 5]
    np.testing.assert_allclose(out[1]["logit"], next(run.predict([({"x": X[32:37]},)]))["logit"], rtol=1e-6)


def test_resume_from_a_checkpoint_is_bit_for_bit(tmp_path):
    def fresh():
        return Program(forward_of(optimizers.Adam(0.01), dropout=0.5), seed=1)

    whole = Run(fresh(), group=4)
    whole.train(take(Counting(), 40))
    first, source = Run(fresh(), group=16), Counting()
    first.train(source, max_step=23)
    with_input = first.input_state()
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save(first.state, {"input": with_input})
    checkpoints.close()
    second = Run(fresh(), on_state=lambda s: checkpoints.restore(s)[0])
    source = Counting()
    source.set_state(Checkpointer(tmp_path).restore(first.state)[1]["input"])
    second.train(source, max_step=40)
    assert with_input == {"position": 23} and same(values(whole), values(second))


def test_hooks_are_called_at_the_steps_they_name():
    class Every5(Hook):
        def __init__(self):
            self.seen = []

        def next_step(self, step):
            return (step // 5 + 1) * 5

        def after_run(self, run):
            self.seen.append((run.step, run.last_loss))

    hook = Every5()
    plain = Run(Program(forward_of(optimizers.SGD(0.1))), group=16)
    plain.train(take(Counting(), 23))
    run = Run(Program(forward_of(optimizers.SGD(0.1))), hooks=[hook], group=16)
    run.train(take(Counting(), 23))
    assert [s for s, _ in hook.seen] == [5, 10, 15, 20] and all(np.isfinite(x) for _, x in hook.seen)
    assert same(values(plain), values(run))


def test_a_hook_can_stop_and_set_variables():
    class Stop(Hook):
        def after_run(self, run):
            run.set_variable("dense_1/bias", [7.0])
            if run.step == 3:
                run.request_stop()

    run = Run(Program(forward_of(optimizers.SGD(0.0))), hooks=[Stop()])
    run.train(Counting())
    assert run.step == 3 and run.state.params["dense_1/bias"].tolist() == [7.0]
    with pytest.raises(ValueError, match="given a value of shape"):
        run.set_variable("dense_1/bias", [1.0, 2.0])


def test_named_values_are_those_of_the_step_asked_for():
    def forward(mode, features, labels, weights):
        w = core.Variable(lambda s, d: jnp.zeros(s), (), name="w")
        core.current_frame().named["w_before"] = w.value
        return Outputs(loss=w.value * 1.0, train_ops=(TrainOp(optimizers.SGD(1.0), w.value * 1.0),))

    class Look(Hook):
        seen = []

        def next_step(self, step):
            return (step // 10 + 1) * 10

        def before_run(self, run):
            run.request("w_before")

        def after_run(self, run):
            self.seen.append((run.step, float(run.named["w_before"])))

    run = Run(Program(forward), hooks=[Look()], group=16)
    run.train(take(Counting(), 20))
    assert Look.seen == [(10, -9.0), (20, -19.0)]


def test_two_optimizers_with_two_losses_change_their_own_variables():
    def forward(mode, features, labels, weights):
        a = core.Variable(lambda s, d: jnp.ones(s), (), name="a")
        b = core.Variable(lambda s, d: jnp.ones(s), (), name="b")
        first, second = a.value * b.value, a.value + 3 * b.value
        ops = (TrainOp(optimizers.SGD(0.1), first, {"a"}), TrainOp(optimizers.SGD(0.1), second, {"b"}))
        return Outputs(loss=first, train_ops=ops)

    run = Run(Program(forward))
    run.train(take(Counting(), 1))
    assert values(run) == pytest.approx({"a": 0.9, "b": 0.7})


class Bound(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)[:, 0]


def bound_program(model, optimizer):
    def forward(mode, features, labels, weights):
        loss = jnp.mean((model(features["x"]) - labels) ** 2)
        return Outputs(loss=loss, metrics={"loss": loss}, train_ops=(TrainOp(optimizer, loss),))

    return Program(forward, layer=model)


def test_a_models_variables_show_their_values_at_any_moment_and_can_be_set():
    model, seen = Bound(), []

    class Look(Hook):
        def after_run(self, run):
            seen.append(float(model.dense.bias.value[0]))
            if run.step == 4:
                model.dense.bias.assign([100.0])

    run = Run(bound_program(model, optimizers.SGD(0.01)), hooks=[Look()])
    run.train(take(Counting(), 6))
    assert len(set(seen)) == 6 and seen[4] > 50
    assert float(run.state.params["bound/dense/bias"][0]) == seen[-1]


def test_values_assigned_between_two_calls_are_taken_over():
    model = Bound()
    run = Run(bound_program(model, optimizers.SGD(0.0)))
    run.train(take(Counting(), 1))
    model.dense.bias.assign([100.0])
    run.train(take(Counting(), 1))
    assert float(run.state.params["bound/dense/bias"][0]) == float(model.dense.bias.value[0]) == 100


def test_arrays_that_a_user_held_before_training_stay_valid():
    model = Bound()
    model(X[:2])
    held = model.dense.kernel.value
    Run(bound_program(model, optimizers.SGD(0.01))).train(take(Counting(), 3))
    assert np.isfinite(np.asarray(held)).all()


@pytest.mark.parametrize("optimizer", ["SGD", "Adagrad", "Ftrl"])
def test_row_tables_train_as_dense_ones(optimizer):
    def run_with(sparse):
        def forward(mode, features, labels, weights):
            table = core.Variable(
                lambda s, d: jax.random.normal(core.next_key(), s) * 0.1 if optimizer != "Ftrl" else jnp.zeros(s),
                (50, 4),
                name="t",
                row_sparse=sparse,
            )
            e = core.embedding_lookup(table, features["ids"]).sum(1)
            again = core.embedding_lookup(table, features["ids"][:, :1])[:, 0]
            loss = jnp.mean((e[:, 0] + again[:, 1] - labels) ** 2)
            return Outputs(loss=loss, train_ops=(TrainOp(getattr(optimizers, optimizer)(0.1), loss),))

        rng = np.random.default_rng(1)
        batches = [
            ({"ids": rng.integers(-1, 50, (16, 3)).astype("int32")}, rng.normal(size=16).astype("float32")) for _ in range(20)
        ]
        run = Run(Program(forward))
        run.train(batches)
        assert bool(run.plan.row_tables) == sparse
        return values(run)["t"]

    np.testing.assert_array_equal(run_with(True), run_with(False))


def test_a_table_that_is_read_as_a_whole_is_refused_by_name():
    def forward(mode, features, labels, weights):
        table = core.Variable(lambda s, d: jnp.ones(s), (50, 4), name="tied", row_sparse=True)
        loss = jnp.mean(core.embedding_lookup(table, jnp.zeros(3, int)) @ table.value.T)
        return Outputs(loss=loss, train_ops=(TrainOp(optimizers.SGD(0.1), loss),))

    with pytest.raises(ValueError, match='Table "tied": sparse=True, but it is also read as a whole'):
        Run(Program(forward)).train(take(Counting(), 1))


def test_bad_input_is_named():
    forward = forward_of(optimizers.SGD(0.1))
    with pytest.raises(InputDataError, match="The input is empty"):
        Run(Program(forward)).train([])
    with pytest.raises(InputDataError, match=r"'x' is missing from the input. Given features: \['y'\]"):
        Run(Program(forward)).train([({"y": X[:3]}, Y[:3])])
    with pytest.raises(InputDataError, match="equally many rows; given x: 3, labels: 2"):
        Run(Program(forward)).train([({"x": X[:3]}, Y[:2])])
    with pytest.raises(InputDataError, match="another structure than the first"):
        Run(Program(forward)).train([({"x": X[:3]}, Y[:3]), ({"z": X[:3]}, Y[:3])])
    with pytest.raises(InputDataError, match="a tuple of 4 parts"):
        Run(Program(forward)).train([(1, 2, 3, 4)])
    with pytest.raises(InputDataError, match="integers beyond 32 bits"):
        Run(Program(forward)).train([({"x": np.full((3, 8), 2**40)}, Y[:3])])


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run = Run(Program(forward_of(optimizers.SGD(0.1))))
    run.train(take(Counting(), 1))
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save(run.state)
    other = run.state.replace(params={**run.state.params, "dense/kernel": jnp.zeros((9, 16)), "extra": jnp.zeros(1)})
    with pytest.raises(
        CheckpointError, match=r"extra: missing; dense/kernel: shape \(8, 16\), expected \(9, 16\)|dense/kernel: shape"
    ):
        checkpoints.restore(other)
    checkpoints.close()


def test_an_error_in_the_input_arrives_and_the_thread_ends():
    def failing():
        yield {"x": X[:3]}, Y[:3]
        raise KeyError("my generator")

    with pytest.raises(KeyError, match="my generator"):
        Run(Program(forward_of(optimizers.SGD(0.1)))).train(failing())


def test_a_table_in_memory_gives_the_same_numbers_as_its_batches():
    from estimax import feature_columns as fc
    from estimax.data import Dataset, as_batches

    city = np.array(["oslo", "rome", "bonn", ""])[RNG.integers(0, 4, 1000)]
    columns = [
        fc.numeric_column("x", shape=(8,)),
        fc.embedding_column(fc.categorical_column_with_hash_bucket("city", 7), 2),
    ]

    def forward(mode, features, labels, weights):
        z = layers.Dense(1)(fc.DenseFeatures(columns)(features))[:, 0]
        mask = core.row_mask(is_loss=True)
        squares = (z - labels) ** 2
        loss = jnp.sum(squares if mask is None else jnp.where(mask, squares, 0)) / core.row_count(z)
        return Outputs(loss=loss, metrics={"loss": loss}, train_ops=(TrainOp(optimizers.SGD(0.05), loss),))

    def dataset():  # a new one each time: a second iteration over the same one would shuffle anew
        return as_batches(
            Dataset.from_tensor_slices(({"x": X, "city": city}, Y)).shuffle(1000, seed=3).batch(96).repeat(3).prefetch(2)
        )

    whole = Run(Program(forward))
    whole.train(dataset())
    streamed = Run(Program(forward))
    streamed.train(iter(list(dataset())))
    assert whole.step == streamed.step == 33
    for path, value in values(whole).items():
        np.testing.assert_allclose(value, values(streamed)[path], rtol=1e-5, atol=1e-7)
    once = Dataset.from_tensor_slices(({"x": X, "city": city}, Y)).batch(96)
    assert whole.evaluate(as_batches(once))["loss"] == pytest.approx(whole.evaluate(list(as_batches(once)))["loss"], rel=1e-6)
    # A position taken in the middle continues there.
    half, source = Run(Program(forward)), dataset()
    half.train(source, steps=17)
    rest = dataset()
    rest.set_state(half.input_state())
    half.train(rest)
    assert half.step == 33 and same(values(half), values(whole))


def test_padding_rows_cannot_poison_gradients():
    """A row of zeros may be none that a model can compute; padding repeats a real one."""

    def forward(mode, features, labels, weights):
        w = core.Variable(lambda s, d: jnp.ones(s), (), name="w")
        z = w.value * features["x"].sum(1) / jnp.abs(features["x"]).sum(1)  # 0 / 0 for a row of zeros
        mask = core.row_mask(is_loss=True)
        squares = (z - labels) ** 2
        loss = jnp.sum(squares if mask is None else jnp.where(mask, squares, 0)) / core.row_count(z)
        return Outputs(loss=loss, train_ops=(TrainOp(optimizers.SGD(0.1), loss),))

    from estimax.data import Dataset, as_batches

    run = Run(Program(forward))
    run.train([({"x": X[:32]}, Y[:32]), ({"x": X[32:40]}, Y[32:40])])
    assert np.isfinite(run.state.params["w"])
    run.train(as_batches(Dataset.from_tensor_slices(({"x": X[:40]}, Y[:40])).batch(32)))
    assert np.isfinite(run.state.params["w"]) and run.step == 4


def test_a_full_disk_is_named_and_older_checkpoints_stay_whole(tmp_path, monkeypatch):
    run = Run(Program(forward_of(optimizers.SGD(0.1))))
    run.train(take(Counting(), 1))
    checkpoints = Checkpointer(tmp_path)
    checkpoints.save(run.state)
    checkpoints.wait()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints._manager, "save", full)
    run.train(take(Counting(), 1))
    with pytest.raises(CheckpointError, match=r"step 2 .*No space left.*Older checkpoints are whole: \[1\].*Free disk space"):
        checkpoints.save(run.state)
    restored, _ = Checkpointer(tmp_path).restore(run.state)
    assert int(restored.step) == 1
    checkpoints.close()


def test_convolutions_run_outside_of_compiled_loops_on_a_cpu():
    def forward(mode, features, labels, weights):
        z = layers.Conv1D(1, 3)(features["x"][:, :, None]).sum((1, 2))
        loss = jnp.mean((z - labels) ** 2)
        return Outputs(loss=loss, train_ops=(TrainOp(optimizers.SGD(0.01), loss),))

    run = Run(Program(forward))
    run.train(take(Counting(), 3))
    assert not run.plan.loops
    assert {key[1] for key in run.plan.compiled if key[0] == "train"} == {1}
    plain = Run(Program(forward_of(optimizers.SGD(0.1))))
    plain.train(take(Counting(), 1))
    assert plain.plan.loops
