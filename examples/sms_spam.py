"""Spam or not, from raw strings: TextVectorization and embeddings in one model that takes text, in `fit`, `predict` and the saved file.

python examples/sms_spam.py --data path/to/text/sms-spam
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import estimax as ex

layers = ex.layers


def build(texts: np.ndarray) -> ex.Model:
    """An embedding of each word; the mean and the largest value of each of its numbers decide."""
    vectorize = layers.TextVectorization(max_tokens=20_000, output_sequence_length=100)
    vectorize.adapt(texts)
    text = ex.Input((), dtype="string")
    words = layers.Embedding(20_000, 32, mask_zero=True)(vectorize(text))
    words = layers.SpatialDropout1D(0.3)(words)
    both = layers.Concatenate()([layers.GlobalAveragePooling1D()(words), layers.GlobalMaxPooling1D()(words)])
    hidden = layers.Dropout(0.3)(layers.Dense(32, activation="relu")(both))
    return ex.Model(text, layers.Dense(1, activation="sigmoid")(hidden))


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with SMSSpamCollection")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args(argv)
    ex.set_random_seed(0)
    data = ex.datasets.sms_spam(args.data)
    texts, labels = np.asarray(data["text"], dtype=object), (np.asarray(data["label"]) == "spam").astype(np.float32)
    order = np.random.default_rng(0).permutation(len(texts))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]

    model = build(texts[train])
    model.compile(optimizer=ex.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(texts[train], labels[train], batch_size=32, epochs=args.epochs, verbose=2)
    accuracy = model.evaluate(texts[test], labels[test], batch_size=256, verbose=0, return_dict=True)["accuracy"]
    print(f"accuracy on {len(test)} held-out messages: {accuracy:.4f}")

    path = Path(tempfile.mkdtemp()) / "spam.keras"
    model.save(path)
    messages = np.array(["WINNER!! Call now to claim your free prize", "see you at lunch?"], dtype=object)
    for message, p in zip(messages, ex.load_model(path).predict(messages, verbose=0)[:, 0]):
        print(f"{p:.3f}  {message}")
    return float(accuracy)


if __name__ == "__main__":
    main()
