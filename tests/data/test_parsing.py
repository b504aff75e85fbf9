"""Parsing of Examples: the fast way equals the reference, and mutated messages do no harm."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from estimax.data import (
    DataLossError,
    Dataset,
    Example,
    Feature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    InvalidDataError,
    RaggedFeature,
    SequenceExample,
    SparseFeature,
    VarLenFeature,
    bytes_feature,
    float_feature,
    int64_feature,
    parse_example,
    parse_sequence_example,
    parse_single_example,
    wire,
)
from estimax.data import columns_of_examples as columns

FUZZ_SECONDS = 2.5
KEYS = ["a", "bb", "a_rather_long_feature_name", "a_rather_long_feature_name_2"]
WANTED = [(key.encode(), kind) for key in KEYS for kind in (wire.BYTES, wire.FLOAT, wire.INT64)]


def random_feature(source: random.Random) -> Feature:
    kind, n = source.choice(["bytes", "float", "int64", None]), source.choice([0, 1, 1, 1, 2, 5])
    if kind == "bytes":
        return Feature(kind, [source.randbytes(source.choice([0, 1, 3, 10, 40])) for _ in range(n)])
    if kind == "float":
        return Feature(kind, [source.random() for _ in range(n)])
    numbers = [0, 1, 127, 128, 300, -1, 2**63 - 1, -(2**63), source.getrandbits(40)]
    return Feature(kind, [source.choice(numbers) for _ in range(n)])


def random_record(source: random.Random) -> bytes:
    keys = [key for key in KEYS if source.random() < 0.8]
    source.shuffle(keys)
    entries = [wire.put(1, key.encode()) + wire.put(2, random_feature(source).serialize()) for key in keys]
    return wire.put(1, b"".join(wire.put(1, entry) for entry in entries))


def mutated(record: bytes, source: random.Random) -> bytes:
    data = bytearray(record)
    for _ in range(source.randint(1, 3)):
        if data:
            data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data[: source.randint(0, len(data))]) if source.random() < 0.2 else bytes(data)


def reference(records: list[bytes]) -> object:
    try:
        decoded = columns.decode_each(records, {key for key, _ in WANTED})
    except DataLossError as error:
        return str(error)
    return {(key, kind): columns.gather_values((d.get(key) for d in decoded), kind) for key, kind in WANTED}


def side_by_side(records: list[bytes]) -> object:
    try:
        return columns._side_by_side(records, WANTED)
    except DataLossError as error:
        return str(error)


def assert_same(a: object, b: object) -> None:
    if isinstance(a, str) or isinstance(b, str):
        assert a == b
        return
    for key in WANTED:
        x, y = a[key], b[key]  # type: ignore[index]
        assert x.kinds.tolist() == y.kinds.tolist()
        assert x.counts.tolist() == y.counts.tolist()
        assert repr(x.flat.tolist()) == repr(y.flat.tolist())


def test_the_fast_way_equals_the_reference_also_on_mutated_messages() -> None:
    source, errors, rounds = random.Random(0), 0, 0
    start = time.monotonic()
    while time.monotonic() - start < FUZZ_SECONDS:
        records = [random_record(source) for _ in range(source.randint(1, 30))]
        if rounds % 2:
            records = [mutated(r, source) if source.random() < 0.1 else r for r in records]
        want = reference(records)
        assert_same(side_by_side(records), want)
        errors += isinstance(want, str)
        rounds += 1
    assert rounds > 20
    assert errors > 3


def test_hostile_messages_are_errors() -> None:
    spec = {"a": VarLenFeature("int64")}
    for record in (b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 50, b"\x0a\x05\x0a\x03\x0a\x7fa", b"\x0b" * 30, b"\x00"):
        with pytest.raises(DataLossError, match="not a valid protocol buffer"):
            parse_example([record], spec)
        with pytest.raises(DataLossError, match="example 20 of the batch"):
            parse_example([Example({"a": [1]}).serialize()] * 20 + [record], spec)
    assert len(parse_example([b"\x12\x00" * 50_000], spec)["a"].values) == 0  # many unknown fields: slow, but an end


def test_a_batch_equals_its_examples() -> None:
    source = np.random.default_rng(0)
    spec = {
        "f": FixedLenFeature([2], "float32"),
        "i": FixedLenFeature([], "int64"),
        "s": FixedLenFeature([], "string", default_value="none"),
        "v": VarLenFeature("string"),
        "r": RaggedFeature("int64"),
    }
    records = [
        Example(
            {
                "f": source.random(2),
                "i": [i * 1000 - 5000],
                "v": [f"w{j}" for j in range(i % 4)],
                "r": list(range(i % 3)),
                **({"s": f"text {i}"} if i % 5 else {}),
            }
        ).serialize()
        for i in range(40)
    ]
    batch = parse_example(records, spec)
    for i, record in enumerate(records):
        one = parse_single_example(record, spec)
        np.testing.assert_array_equal(one["f"], batch["f"][i])
        assert one["i"] == batch["i"][i] == i * 1000 - 5000
        assert one["s"] == batch["s"][i]
        assert one["v"].values.tolist() == batch["v"].row(i).values.tolist()
        assert one["r"].tolist() == batch["r"].row(i).tolist()


def test_short_text_has_a_fixed_width_and_zero_bytes_survive() -> None:
    spec = {"s": FixedLenFeature([], "string")}
    short = parse_example([Example({"s": f"t{i}"}).serialize() for i in range(20)], spec)["s"]
    assert short.dtype.kind == "S"
    texts = [b"a\0", b"", b"\0", b"abc"] * 10
    kept = parse_example([Example({"s": bytes_feature(t)}).serialize() for t in texts], spec)["s"]
    assert kept.tolist() == texts


def test_datasets_of_examples() -> None:
    records = [Example({"x": [float(i)], "y": [i % 2]}).serialize() for i in range(10)]
    spec = {"x": FixedLenFeature([], "float32"), "y": FixedLenFeature([], "int64")}
    dataset = Dataset.from_tensor_slices(np.array(records, object))
    batched = next(iter(dataset.batch(10).map(lambda r: parse_example(r, spec))))
    single = next(iter(dataset.map(lambda r: parse_single_example(r, spec)).batch(10)))
    np.testing.assert_array_equal(batched["x"], single["x"])
    assert single["y"].dtype == np.int64


def test_sequences_of_differing_length() -> None:
    records = [SequenceExample({"id": [i]}, {"t": [float_feature([j, j + 1]) for j in range(i)]}).serialize() for i in range(3)]
    context, values, lengths = parse_sequence_example(
        records, {"id": FixedLenFeature([], "int64")}, {"t": FixedLenSequenceFeature([2], "float32", allow_missing=True)}
    )
    assert context["id"].tolist() == [0, 1, 2]
    assert values["t"].shape == (3, 2, 2)
    assert lengths["t"].tolist() == [0, 1, 2]


def test_building_examples() -> None:
    example = Example({"i": int64_feature([1, -2]), "f": 1.5, "b": "é", "n": None})
    assert Example.parse(example.serialize()) == example
    with pytest.raises(ValueError, match="can't hold"):
        Feature("int64", [2**63])
    with pytest.raises(ValueError, match="'bytes', 'float', 'int64' or None"):
        Feature("text", [])
    with pytest.raises(TypeError, match="holds bytes or text"):
        Feature("bytes", [1])


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({}, ValueError, "must not be empty"),
        ({"a": FixedLenFeature([], "int32")}, ValueError, "asked for int32"),
        ({"a": FixedLenFeature([], "float32")}, InvalidDataError, "example 0 of the batch has int64"),
        ({"a": FixedLenFeature([3], "int64")}, InvalidDataError, "needs 3 values, example 0 of the batch has 2"),
        ({"b": FixedLenFeature([], "int64")}, InvalidDataError, "missing in example 0"),
        ({"a": FixedLenFeature([2], "int64", default_value=1)}, InvalidDataError, "a scalar is not repeated"),
        ({"a": "int64"}, ValueError, "given 'int64'"),
        ({"a": SparseFeature("a", "v", "float32", 5)}, InvalidDataError, "2 positions"),
        ({"a": RaggedFeature("int64", partitions=[RaggedFeature.RowLengths("v")])}, InvalidDataError, "holds 0 items"),
    ],
)
def test_mistakes_are_explained(spec, error, message) -> None:  # noqa: ANN001
    record = Example({"a": [1, 2]}).serialize()
    for batch in ([record], [record] * 20):
        with pytest.raises(error, match=message):
            parse_example(batch, spec)


def test_a_spec_reads_a_key_in_one_way() -> None:
    serialized = [Example({"x": [1]}).serialize()]
    with pytest.raises(ValueError, match='key "x" is read as sparse int64 for feature "s" and as dense int64'):
        parse_example(serialized, {"s": SparseFeature("x", "x", "int64", 5), "x": FixedLenFeature([], "int64")})
    with pytest.raises(ValueError, match="default_value 1.5 does not have the dtype int64"):
        parse_example(serialized, {"x": FixedLenFeature([], "int64", 1.5)})
    with pytest.raises(ValueError, match="shape of a value must be known"):
        parse_example(serialized, {"x": FixedLenSequenceFeature([None], "int64", True)})


def test_what_sequence_examples_do_not_have() -> None:
    steps = {"t": FixedLenSequenceFeature([], "float32")}
    record = SequenceExample({"c": Feature()}, {"t": [[1.0]]}).serialize()
    with pytest.raises(ValueError, match="expected FixedLenFeature, VarLenFeature or RaggedFeature"):
        parse_sequence_example([record], {"c": SparseFeature("c", "d", "int64", 5)}, steps)
    with pytest.raises(ValueError, match="not with a default_value"):
        parse_sequence_example([record], None, {"t": FixedLenSequenceFeature([], "float32", default_value=1.0)})
    with pytest.raises(InvalidDataError, match="needs 1 values"):  # of a context, no kind is not the same as absent
        parse_sequence_example([record], {"c": FixedLenFeature([], "int64", 4)}, steps)


def test_keys_are_written_in_the_order_of_protobuf() -> None:
    assert wire.keys(Example({"a": [1], "b": [1], "abc": [1], "ab": [1]}).serialize()) == [b"abc", b"ab", b"a", b"b"]


@pytest.mark.parametrize("change", ["none", "other keys", "other order", "long values", "long keys", "missing", "lists", "kinds"])
def test_blocks_of_records_that_are_not_alike(change: str) -> None:
    source, records = random.Random(1), []
    for i in range(2500):
        features = {"n": [source.getrandbits(40)], "f": [source.random()], "t": [b"x" * source.randrange(12)]}
        if i % 3 == 1 and change != "none":
            if change == "other keys":
                features[f"k{i}"] = [i]
            elif change == "other order":
                pass
            elif change == "long values":
                features["t"] = [bytes(range(1, 256)) * source.randrange(1, 4)]
            elif change == "long keys":
                features["y" * (100 + i % 40)] = [1.0]
            elif change == "missing":
                del features[source.choice(["n", "f", "t"])]
            elif change == "lists":
                features |= {"n": [1, -5] * source.randrange(3), "t": [b"a", b"", b"b\0"][: source.randrange(4)]}
            else:
                features |= {"n": [b"text"], "f": [1]}
        entries = [wire.put(1, k.encode()) + wire.put(2, one.serialize()) for k, one in Example(features).features.items()]
        if change == "other order" and i % 3 == 1:
            source.shuffle(entries)
        records.append(wire.put(1, b"".join(wire.put(1, entry) for entry in entries)))
    wanted = [(b"n", wire.INT64), (b"f", wire.FLOAT), (b"t", wire.BYTES), (b"y" * 101, wire.FLOAT)][
        : 4 if change == "long keys" else 3
    ]
    found = columns.columns_of(records, wanted)
    decoded = columns.decode_each(records, {key for key, _ in wanted})
    for key, kind in wanted:
        want = columns.gather_values((d.get(key) for d in decoded), kind)
        assert found[key, kind].kinds.tolist() == want.kinds.tolist()
        assert found[key, kind].counts.tolist() == want.counts.tolist()
        assert found[key, kind].flat.tolist() == want.flat.tolist()
