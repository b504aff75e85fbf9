"""Reads damaged records, files and images: each must give what the careful reader gives, or an error, soon and in little memory.

Run `python scripts/fuzz_records.py [--mutations 1000000] [--seed 0]`. Ends with 1 at the first that crashes, hangs, or takes too
much. Mutations are flipped bits, wrong bytes, cuts, repeated and swapped parts, huge declared sizes and wrong wire types.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

from estimax import data  # noqa: E402
from estimax.data import columns_of_examples, wire  # noqa: E402

SPEC = {
    "f": data.FixedLenFeature([2], "float32", [0.0, 0.0]),
    "i": data.VarLenFeature("int64"),
    "s": data.FixedLenFeature([], "string", ""),
    "r": data.RaggedFeature("float32", "v", [data.RaggedFeature.RowLengths("l")]),
    "p": data.SparseFeature("ix", "val", "string", 100),
    "q": data.FixedLenSequenceFeature([], "int64", True),
}
SECONDS = 20.0  # no call may take longer
MEMORY = 300 << 20  # what the process may grow by, in bytes


def example(source: random.Random) -> bytes:
    """A valid record."""
    features: dict[str, Any] = {"f": [source.random()] * 2, "s": [source.randbytes(source.choice([0, 5, 40, 200]))]}
    features["i"] = [source.choice([0, 1, -1, 300, 2**62]) for _ in range(source.randrange(4))]
    if source.random() < 0.5:
        features |= {"v": [1.0, 2.0, 3.0], "l": [1, 2], "ix": [4, 2], "val": [b"a", b"b"], "q": list(range(source.randrange(5)))}
    return data.Example(features).serialize()


def mutated(record: bytes, source: random.Random) -> bytes:
    """A record with one to four changes."""
    out = bytearray(record)
    for _ in range(source.randint(1, 4)):
        if not out:
            break
        at, what = source.randrange(len(out)), source.randrange(8)
        if what == 0:
            out[at] ^= 1 << source.randrange(8)
        elif what == 1:
            out[at] = source.randrange(256)
        elif what == 2:
            out[at : at + 1] = b"\xff" * source.choice([1, 4, 5, 9, 11]) + b"\x7f"  # a huge or endless number
        elif what == 3:
            del out[at : at + source.randint(1, 9)]
        elif what == 4:
            del out[at:]
        elif what == 5:
            out[at:at] = out[: source.randint(1, 60)]
        elif what == 6:
            out[at] = out[at] & 0xF8 | source.randrange(8)  # another wire type
        else:
            out[at:at] = wire.put_varint(source.choice([2**31, 2**32 - 1, 2**63, 2**64 - 1]))
    return bytes(out)


def parsed(records: list[bytes]) -> str:
    """What a batch gives, as text."""
    try:
        found = data.parse_example(records, SPEC)
    except (data.DataLossError, data.InvalidDataError) as error:
        return str(error)[:40]
    return str(len(found))


def agree(records: list[bytes]) -> None:
    """The reading side by side must give the values, or the error, of that one by one."""
    wanted = [(key, kind) for key in (b"f", b"i", b"s", b"v", b"q") for kind in (wire.BYTES, wire.FLOAT, wire.INT64)]
    try:
        slow: Any = columns_of_examples.decode_each(records, {key for key, _ in wanted})
    except data.DataLossError as error:
        slow = str(error)
    try:
        fast: Any = columns_of_examples.columns_of(records, wanted)
    except data.DataLossError as error:
        fast = str(error)
    if isinstance(slow, str) or isinstance(fast, str):
        assert slow == fast, (slow, fast)
        return
    for key, kind in wanted:
        want = columns_of_examples.gather_values((one.get(key) for one in slow), kind)
        got = fast[key, kind]
        assert np.array_equal(got.kinds, want.kinds) and np.array_equal(got.counts, want.counts), (key, kind)
        assert str(got.flat.tolist()) == str(want.flat.tolist()), (key, kind)


def read_file(content: bytes, path: str, compression: str) -> str:
    """A TFRecord file with any content."""
    Path(path).write_bytes(content)
    try:
        return str(len(list(data.tf_record_iterator(path, compression))))
    except data.DataLossError as error:
        assert path in str(error), error
        return "error"


def read_image(content: bytes) -> str:
    """An image with any content."""
    try:
        return str(data.decode_image(content).shape)
    except (data.DataLossError, ValueError) as error:
        return type(error).__name__


def resident() -> int:
    """The largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def png(source: random.Random) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.frombytes("L", (9, 7), source.randbytes(63)).save(file, source.choice(["PNG", "GIF", "BMP"]))
    return file.getvalue()


def main() -> int:
    """Prints what was done every 50,000 mutations."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--mutations", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    source, done, said, errors, begin, worst = random.Random(given.seed), 0, 0, 0, time.perf_counter(), 0.0
    sound = [example(source) for _ in range(64)]
    parsed(sound), agree(sound), read_image(png(source))  # what the libraries need is loaded now
    before = resident()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records")
        while done < given.mutations:
            start, what = time.perf_counter(), source.random()
            if what < 0.55:
                count = source.choice([1, 5, 40])
                batch = [source.choice(sound) for _ in range(80)]
                for _ in range(count):
                    batch[source.randrange(80)] = mutated(source.choice(sound), source)
                agree(batch)
                done += count
            elif what < 0.9:
                for _ in range(20):
                    errors += not parsed([mutated(source.choice(sound), source)]).isdigit()
                done += 20
            elif what < 0.96:
                compression = source.choice(["", "", "GZIP", "ZLIB"])
                with data.TFRecordWriter(path, compression) as writer:
                    for _ in range(5):
                        writer.write(source.choice(sound))
                content = Path(path).read_bytes()
                for _ in range(10):
                    errors += read_file(mutated(content, source), path, compression) == "error"
                done += 10
            else:
                for _ in range(5):
                    errors += read_image(mutated(png(source), source)).endswith("Error")
                done += 5
            worst = max(worst, time.perf_counter() - start)
            if worst > SECONDS or resident() - before > MEMORY:
                print(f"a call took {worst:.1f} s, or the process grew by {(resident() - before) >> 20} MB")
                return 1
            if done >= said + 50_000 or done >= given.mutations:
                said = done
                print(
                    f"{done:,} mutations, {errors:,} errors of single ones; slowest step {worst:.2f} s, "
                    f"{(resident() - before) >> 20} MB over the start, {time.perf_counter() - begin:.0f} s",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
