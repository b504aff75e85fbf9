"""Text layers: each step, the vocabulary, the compiled way, saving, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import core, layers
from estimax.core.errors import HostValueError, InputDataError
from estimax.layers.preprocessing.text import rounded_up, tokenize

WORDS = ["to be or not", "be  that\tAs it may", "", "Ünïcode naïve"]


def tokens_of(texts, standardize=None, split="whitespace", ngrams=None):
    tokens, _ = tokenize(texts, standardize, split, ngrams)
    flat, ends = tokens.flat.to_pylist(), np.cumsum(tokens.lengths)
    return [flat[e - n : e] for e, n in zip(ends, tokens.lengths)]


def test_words_are_what_python_splits():
    assert tokens_of(WORDS) == [w.split() for w in WORDS]


def test_characters_are_code_points():
    texts = ["abc", "", "nö→𝄞", "x"]
    assert tokens_of(texts, split="character") == [list(t) for t in texts]
    import pyarrow as pa

    assert tokens_of(pa.array(["skipped", *texts])[1:], split="character") == [list(t) for t in texts]


def test_ngrams_follow_each_other_by_width():
    assert tokens_of(["a b c", "d", ""], ngrams=(1, 2)) == [["a", "b", "c", "a b", "b c"], ["d"], []]
    assert tokens_of(["a b c", "d e"], ngrams=(3,)) == [["a b c"], []]


@pytest.mark.parametrize(
    ("standardize", "expected"),
    [
        ("lower", "it's 5 o'clock, ÄrA!"),
        ("strip_punctuation", "ITs 5 oclock ÄRa"),
        ("lower_and_strip_punctuation", "its 5 oclock ÄrA".replace("A", "a", 1)[:-1] + "a"),
        (None, "IT's 5 o'clock, ÄRa!"),
        (np.char.swapcase, "it'S 5 O'CLOCK, ärA!"),
    ],
)
def test_standardize(standardize, expected):
    got = tokens_of(["IT's 5 o'clock, ÄRa!"], standardize=standardize, split=None)[0][0]
    assert got == {"lower": "it's 5 o'clock, Ära!", "lower_and_strip_punctuation": "its 5 oclock Ära"}.get(standardize, expected)


def test_all_of_ascii_punctuation_goes():
    text = "".join(map(chr, range(32, 127)))
    assert tokens_of([text], "strip_punctuation", None) == [["".join(c for c in text if c.isalnum() or c == " ")]]


def test_functions_for_standardize_and_split():
    layer = layers.TextVectorization(standardize=None, split=lambda texts: [t.split("-") for t in texts], vocabulary=["a", "b"])
    assert layer(["a-b", "c"]).tolist() == [[2, 3], [1, 0]]
    with pytest.raises(InputDataError, match="expected one a text"):
        layers.TextVectorization(split=lambda texts: [["a"]], vocabulary=["a"])(["a", "b"])


@pytest.mark.parametrize("kind", ["list", "object", "unicode", "bytes", "arrow", "chunked", "dictionary", "column"])
def test_texts_come_in_many_containers(kind):
    import pyarrow as pa

    texts = ["to be", "be not"]
    given = {
        "list": texts,
        "object": np.array(texts, object),
        "unicode": np.array(texts),
        "bytes": np.array([t.encode() for t in texts]),
        "arrow": pa.array(texts),
        "chunked": pa.chunked_array([texts[:1], texts[1:]]),
        "dictionary": pa.array(texts).dictionary_encode(),
        "column": [[t] for t in texts],
    }[kind]
    layer = layers.TextVectorization(vocabulary=["be", "to"])
    assert layer(given).tolist() == [[3, 2], [2, 1]]
    assert layer("to be").tolist() == [3, 2]


def test_rows_are_cut_and_filled_to_the_length_asked_for():
    layer = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    assert layer(["a b a", "b", ""]).tolist() == [[2, 3], [3, 0], [0, 0]]
    assert layer.compute_output_shape((None, 1)) == (None, 2)


def test_adapt_reads_batches_and_finds_the_frequent_ones_first():
    batches = [np.array([["b a"], ["b c"]]), np.array([["b a"]])]
    layer = layers.TextVectorization(max_tokens=4)
    layer.adapt(batches)
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert layer.get_vocabulary(include_special_tokens=False) == ["b", "a"]
    again = layers.TextVectorization(max_tokens=4)
    again.adapt(["b a", "b c", "b a"], batch_size=2)
    assert again.get_vocabulary() == layer.get_vocabulary()
    again.adapt(["c c"])
    assert again.get_vocabulary() == ["", "[UNK]", "c"]


def test_tf_idf_is_its_definition():
    texts = ["a a b", "a c", "d"]
    layer = layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(texts)
    idf = {t: np.log(1 + 3 / (1 + n)) for t, n in {"a": 2, "b": 1, "c": 1, "d": 1}.items()}
    tokens = layer.get_vocabulary()[1:]
    want = [2 * idf[t] if t == "a" else idf[t] if t == "b" else 0 for t in tokens]
    np.testing.assert_allclose(layer(["a a b zz"])[0], [np.mean(list(idf.values())), *want], rtol=1e-5)


def test_vectors_can_have_a_place_for_every_possible_token():
    layer = layers.StringLookup(vocabulary=["a"], max_tokens=4, pad_to_max_tokens=True, output_mode="multi_hot")
    assert layer([["a", "z"]]).tolist() == [[1.0, 1.0, 0.0, 0.0]]
    assert layer.compute_output_shape((None, 2)) == (None, 4)


@pytest.mark.parametrize("cls", [layers.StringLookup, layers.IntegerLookup])
def test_invert_gives_back_what_was_looked_up(cls):
    vocabulary, unknown = (["a", "b"], "[UNK]") if cls is layers.StringLookup else ([7, 9], -1)
    there, back = cls(vocabulary=vocabulary), cls(vocabulary=vocabulary, invert=True)
    got = np.asarray(back(there([[vocabulary[1], vocabulary[0]]]))).tolist()
    assert got == [[vocabulary[1], vocabulary[0]]]
    assert np.asarray(back(jnp.array([0, 99]))).tolist() == [unknown, unknown]


def test_integers_that_a_model_computed_are_looked_up_on_the_device():
    layer = layers.IntegerLookup(vocabulary=[30, 10, 20], num_oov_indices=2, mask_token=0)
    ids = np.array([[10, 20, 30], [0, 7, 8]])
    np.testing.assert_array_equal(jax.jit(lambda x: layer(x))(jnp.asarray(ids)), layer(ids))


def test_flat_columns_of_tokens_stay_flat_without_split():
    layer = layers.TextVectorization(vocabulary=["red", "green"], split=None)
    assert layer(["Red", "blue", ""]).tolist() == [2, 1, 0]
    assert layer([["Red"], ["blue"]]).tolist() == [[2], [1]]
    assert layer.compute_output_shape((None,)) == (None,)
    counts = layers.TextVectorization(vocabulary=["red", "green"], split=None, output_mode="count")
    assert counts(["Red", "blue", "red"]).tolist() == [1, 2, 0]  # of the column, as StringLookup counts


def test_unknown_integers_are_told_apart_by_a_hash_where_asked_for():
    data = [[12, 7, -3], [99999, 42, 5]]
    # Computed by Keras 3.15's layer.
    for salt, expected in ((None, [[5, 3, 4], [0, 8, 1]]), (9, [[5, 0, 4], [2, 8, 3]]), ([1, 2], [[5, 1, 2], [0, 8, 3]])):
        layer = layers.IntegerLookup(vocabulary=[12, 36, 1138, 42], num_oov_indices=5, oov_method="farmhash", salt=salt)
        assert layer(data).tolist() == expected
        assert layers.IntegerLookup.from_config(layer.get_config())(data).tolist() == expected
    with pytest.raises(ValueError, match="hashes on the host"):
        jax.jit(lambda x: layer(x))(jnp.asarray(data))


def test_assets_hold_the_vocabulary_that_was_found(tmp_path):
    layer = layers.TextVectorization()
    layer.adapt(["x y x", "naïve"])
    layer.save_assets(tmp_path)
    again = layers.TextVectorization.from_config(layer.get_config())
    again.load_assets(tmp_path)
    assert again.get_vocabulary() == layer.get_vocabulary()
    assert again(["naïve x"]).tolist() == layer(["naïve x"]).tolist()
    numbers = layers.IntegerLookup()
    numbers.adapt(np.array([5, 5, 7]))
    numbers.save_assets(tmp_path)
    other = layers.IntegerLookup()
    other.load_assets(tmp_path)
    assert other.get_vocabulary() == [-1, 5, 7]


def test_the_weights_of_tf_idf_are_saved_beside_the_vocabulary(tmp_path):
    layer, store = layers.TextVectorization(output_mode="tf_idf"), {}
    layer.adapt(["x y x", "z"])
    layer.save_assets(tmp_path), layer.save_own_variables(store)
    again = layers.TextVectorization(output_mode="tf_idf")
    again.load_assets(tmp_path), again.load_own_variables(store)
    np.testing.assert_array_equal(again(["x z"]), layer(["x z"]))


def test_a_vocabulary_can_be_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n")
    assert layers.StringLookup(vocabulary=str(path))(["b", "c"]).tolist() == [2, 0]
    (tmp_path / "numbers.txt").write_text("5\n-7")
    assert layers.IntegerLookup(vocabulary=str(tmp_path / "numbers.txt"))([-7, 5]).tolist() == [2, 1]


def compiled(layer, column):
    """The layer on a raw feature, as a compiled step runs it."""
    feature = core.HostValue("features/text")
    sample = core.HostContext(sample={"features/text": column})
    with core.Frame(host=sample, training=False):
        layer(feature)
    transform = sample.transform()
    restored = core.HostTransform.from_config(transform.get_config())

    @jax.jit
    def step(arrays):
        with core.Frame(host=core.HostContext(arrays=arrays), training=False):
            return layer(feature)

    return step(restored({"features/text": column}))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Hashing(10),
        layers.Hashing(10, salt=3, output_mode="one_hot"),
        layers.StringLookup(vocabulary=["to", "be"], num_oov_indices=2),
        layers.TextVectorization(vocabulary=["to", "be"], output_sequence_length=3),
        layers.TextVectorization(vocabulary=["to", "be"], output_mode="count", ngrams=2),
    ],
    ids=["hash", "salted", "lookup", "text", "count"],
)
def test_inside_a_compiled_step_the_host_half_runs_before(layer):
    column = np.array(["to be", "to", "not", "be to be"], object)
    np.testing.assert_array_equal(compiled(layer, column), layer(column))


def test_inside_a_compiled_step_lengths_are_rounded_up():
    layer = layers.TextVectorization(vocabulary=["a"])
    assert compiled(layer, np.array(["a a a a a", "a"])).tolist() == [[2, 2, 2, 2, 2, 0], [2, 0, 0, 0, 0, 0]]
    assert [rounded_up(n) for n in (1, 2, 3, 4, 5, 7, 9, 13, 100)] == [1, 2, 3, 4, 6, 8, 12, 16, 128]


def test_strings_make_symbolic_inputs():
    y = layers.TextVectorization(vocabulary=["a"])(layers.Input((1,), dtype="string"))
    assert (y.shape, y.dtype) == ((None, None), "int32")
    crossed = layers.HashedCrossing(5, output_mode="one_hot")(
        [layers.Input((1,), dtype="string"), layers.Input((1,), dtype="int32")]
    )
    assert (crossed.shape, crossed.dtype) == ((None, 5), "float32")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), "'a' is in it more than once"),
        (lambda: layers.StringLookup(vocabulary=["a", ""], mask_token=""), "the mask token '' is among the entries"),
        (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "more than max_tokens=2"),
        (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]), "b'b', which is not in the vocabulary"),
        (lambda: layers.StringLookup()(["b"]), "no vocabulary yet. Call layer.adapt"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), "was given its vocabulary"),
        (lambda: layers.StringLookup(vocabulary=["a"])([1, 2]), "expected strings"),
        (lambda: layers.IntegerLookup(vocabulary=["x"]), "expected integers"),
        (lambda: layers.IntegerLookup(vocabulary=[1], salt=3), "expected 'farmhash' with it"),
        (
            lambda: layers.IntegerLookup(vocabulary=[1], oov_method="farmhash", salt=[1]),
            "salt: given .1., expected an integer or two",
        ),
        (lambda: layers.IntegerLookup(vocabulary=[1], oov_method="modulo"), "oov_method: given 'modulo'"),
        (lambda: layers.IntegerLookup(vocabulary=[1])(["x"]), "expected integers"),
        (lambda: layers.StringLookup(output_mode="tf_idf", vocabulary=["a"]), "without idf_weights"),
        (lambda: layers.StringLookup(sparse=True), "sparse: given True"),
        (lambda: layers.StringLookup(invert=True, output_mode="count"), "expected 'int' with it"),
        (lambda: layers.TextVectorization(ragged=True), "ragged: given True"),
        (lambda: layers.TextVectorization(standardize="upper"), "standardize: given 'upper'"),
        (lambda: layers.TextVectorization(ngrams=0), "ngrams: given 0"),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), "output_sequence_length: given 3"),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), "one text a row"),
        (lambda: layers.Hashing(0), "num_bins: given 0"),
        (lambda: layers.HashedCrossing(3)([["a"], [[1], [2]]]), "expected equal shapes"),
        (lambda: layers.HashedCrossing(3)(["a"]), "at least two columns"),
    ],
)
def test_errors_name_argument_and_repair(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_arrays_that_a_model_computed_have_no_host_half():
    with pytest.raises(HostValueError, match="call it on the model's input"):
        jax.jit(lambda x: layers.Hashing(3)(x))(jnp.arange(3))


def test_two_functions_of_one_name_are_two_operations():
    from estimax.layers.preprocessing.text import TextOp

    lookup = layers.StringLookup(vocabulary=["a"]).op
    keys = {TextOp(lookup, f, "whitespace", None, None, 0).key for f in (lambda t: t, lambda t: np.char.upper(t), None)}
    assert len(keys) == 3
