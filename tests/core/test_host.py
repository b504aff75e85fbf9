from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core import (
    Features,
    Frame,
    HostContext,
    HostOp,
    HostOutput,
    HostTransform,
    HostValue,
    as_host_value,
    finish_outputs,
    register,
)
from estimax.core.errors import HostValueError, InputDataError


@register("estimax.tests")
class Lengths(HostOp):
    pad_value = -1

    def __init__(self, plus: int = 0):
        self.plus = plus

    def get_config(self):
        return {"plus": self.plus}

    def __call__(self, column):
        return np.array([len(x) + self.plus for x in column], np.int32)


def test_the_abstract_pass_finds_what_the_compiled_call_needs():
    raw = {"features/city": np.array(["Oslo", "Rome2"]), "features/age": np.array([1.0, 2.0], np.float32)}

    def model(features):
        op = Lengths(1)
        lengths = HostValue(op=op, inputs=[features.host("city")]).on_device()
        return lengths + features["age"]

    names, on_host = {"city": "features/city", "age": "features/age"}, frozenset({"features/city"})
    with Frame(host=HostContext(sample=raw)) as frame:
        jax.eval_shape(lambda: model(Features(names, on_host)))
    transform = frame.host.transform()
    again = HostTransform.from_config(transform.get_config())
    assert sorted(again.raw_names) == ["features/age", "features/city"]
    arrays = again(raw)

    @jax.jit
    def call(arrays):
        with Frame(host=HostContext(arrays=arrays)):
            return model(Features(names, on_host))

    assert call(arrays).tolist() == [6, 8]
    assert set(transform.pad_values().values()) == {None, -1}


def test_an_untouched_array_leads_back_to_its_feature():
    with Frame(host=HostContext(arrays={"features/age": jnp.ones(2)})):
        features = Features({"age": "features/age"}, frozenset())
        age = features["age"]
        assert as_host_value(age, "age").key == "features/age"
        assert as_host_value(jax.jit(lambda x: x * 2)(age), "age").value.tolist() == [2, 2]


def test_a_string_used_as_an_array_says_what_to_do():
    with pytest.raises(HostValueError, match="'city' lives on the host.*StringLookup"):
        HostValue("features/city") + 1
    with pytest.raises(TypeError, match="HostValue"):
        jnp.sin(HostValue("features/city"))


def test_a_missing_feature_lists_those_given():
    features = Features({"age": "features/age"}, frozenset())
    with pytest.raises(InputDataError, match=r"'city' is missing from the input. Given features: \['age'\]"):
        features["city"]
    with pytest.raises(InputDataError, match="'city' is missing"):
        HostValue("features/city").evaluate({"features/age": 1})


def test_outputs_are_finished_on_the_host():
    out = jax.jit(lambda x: {"n": HostOutput(x, Lengths()), "x": x})(jnp.ones((2, 3)))
    done = finish_outputs(out)
    assert done["n"].tolist() == [3, 3] and done["x"].shape == (2, 3)


def test_equal_configs_have_equal_keys():
    assert Lengths(1).key == Lengths(1).key != Lengths(2).key


def test_features_are_a_dict_that_reads_late_and_may_be_changed():
    features = Features({"age": "features/age", "city": "features/city"}, frozenset({"features/city"}))
    assert isinstance(features, dict) and list(features) == ["age", "city"] and len(features) == 2
    features["twice"] = jnp.ones(2)
    assert features.host("twice").value.tolist() == [1.0, 1.0]
    assert isinstance(features.pop("city"), HostValue) and "city" not in features
    assert features.get("city") is None and features.pop("city", 3) == 3 and features.setdefault("new", 4) == 4
    assert "age" in repr(features)
    with Frame(host=HostContext(arrays={"features/age": jnp.array([1.0, 2.0])})):
        copies = [dict(features), {**features}, features.copy(), dict(features.items())]
        assert all(np.asarray(c["age"]).tolist() == [1.0, 2.0] and c["new"] == 4 for c in copies)
        assert len(list(features.values())) == 3
