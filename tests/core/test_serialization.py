from __future__ import annotations

import pytest

from estimax.core import deserialize, plain, register, serialize


@register("estimax.tests")
class Thing:
    def __init__(self, size=(1, 2), inner=None):
        self.size, self.inner = size, inner

    def get_config(self):
        return {"size": self.size, "inner": self.inner}

    @classmethod
    def from_config(cls, config):
        return cls(tuple(config["size"]), deserialize(config["inner"]))


def test_round_trip_of_nested_objects():
    config = serialize(Thing((3, 4), Thing()))
    assert config["module"] == "estimax.tests" and config["config"]["size"] == [3, 4]
    again = deserialize(config)
    assert again.size == (3, 4) and again.inner.size == (1, 2)


def test_unknown_classes_are_refused_and_named_ones_taken():
    config = {"module": "os", "class_name": "system", "config": {"x": 1}, "registered_name": None}
    with pytest.raises(ValueError, match="unknown class 'system'.*custom_objects"):
        deserialize(config)

    class Mine:
        def __init__(self, x):
            self.x = x

    assert deserialize({**config, "class_name": "Mine"}, {"Mine": Mine}).x == 1


def test_plain_values_stay():
    assert plain({"a": (1, 2)}) == {"a": [1, 2]} and deserialize(None) is None and serialize(len) == "len"
    with pytest.raises(TypeError, match="get_config"):
        serialize(object())
