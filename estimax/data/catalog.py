"""Small public data sets: read from a folder, or downloaded once from their home with a checksum.

Each loader takes `data_dir`, a folder with the files (directly, or in a sub-folder of the data set's name). Without it the
folder named by the variable ESTIMAX_DATA is looked into, then the cache of earlier downloads (`~/.cache/estimax/data`, or
below XDG_CACHE_HOME); what is in neither is downloaded.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from estimax.data.csv_datasets import read_csv
from estimax.data.errors import DataLossError

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
TITANIC = "https://storage.googleapis.com/tf-datasets/titanic"
MOVIELENS = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"

Columns = dict[str, np.ndarray]


class Splits(NamedTuple):
    """The two parts of a data set that comes divided."""

    train: Any
    test: Any


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A file of a data set.

    Args:
        folder: the sub-folder that it may be in.
        name: of the file; `name` with `.gz` is taken too.
        sha256: of its contents, unpacked and (for text) with LF line ends, as these differ from home to home.
        url: its home.
        member: where it is in the zip archive that the home gives.
        is_text: whether line ends may differ.
    """

    folder: str
    name: str
    sha256: str
    url: str
    member: str = ""
    is_text: bool = True

    def check(self, contents: bytes) -> bool:
        """Whether these are the contents."""
        plain = contents.replace(b"\r\n", b"\n") if self.is_text else contents
        return hashlib.sha256(plain).hexdigest() == self.sha256


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "estimax" / "data"


def contents(file: DataFile, data_dir: str | os.PathLike | None = None, *, timeout_seconds: float = 60.0) -> bytes:
    """The unpacked contents of a file, from a folder, the cache, or its home.

    Raises:
        FileNotFoundError: if `data_dir` is given and the file is not in it, or it can't be downloaded; says what to do.
        DataLossError: if its checksum does not fit.
    """
    folders = [data_dir] if data_dir is not None else [os.environ.get("ESTIMAX_DATA"), cache_folder()]
    for folder in folders:
        if folder is None:
            continue
        for place in (Path(folder) / file.folder, Path(folder) / Path(file.folder).name, Path(folder)):
            for path in (place / file.name, place / f"{file.name}.gz"):
                if path.is_file():
                    return _checked(file, _unpacked(path.read_bytes()), str(path))
    if data_dir is not None:
        raise FileNotFoundError(
            f"{file.name} is not in {data_dir} (nor in {Path(data_dir) / file.folder}); download it from {file.url} into that folder"
        )
    return _download(file, timeout_seconds)


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _checked(file: DataFile, data: bytes, where: str) -> bytes:
    if not file.check(data):
        raise DataLossError(
            f"{where}: the checksum is not that of {file.name}; the file is damaged or another version. Delete it, and get it "
            f"from {file.url}"
        )
    return data


def _download(file: DataFile, timeout_seconds: float) -> bytes:
    try:
        with urllib.request.urlopen(file.url, timeout=timeout_seconds) as response:
            data = response.read()
    except (urllib.error.URLError, OSError) as error:
        raise FileNotFoundError(
            f"{file.name} could not be downloaded from {file.url} ({error}). Without a network, download it elsewhere and give the "
            "folder as data_dir, or name it in the variable ESTIMAX_DATA"
        ) from error
    if file.member:
        try:
            data = zipfile.ZipFile(io.BytesIO(data)).read(file.member)
        except (zipfile.BadZipFile, KeyError) as error:
            raise DataLossError(f"{file.url}: no archive with {file.member} in it ({error})") from None
    data = _checked(file, _unpacked(data), file.url)
    target = cache_folder() / file.folder / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and then moved, so that a half-written file is never taken for a whole one.
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        part.write(data)
    os.replace(part.name, target)
    return data


def _table(file: DataFile, data_dir: Any, **how: Any) -> Columns:
    data = contents(file, data_dir)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_bytes(data)
        return read_csv(path, **how)


CENSUS_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
    "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip

CENSUS = Splits(
    DataFile(
        "census", "adult.data", "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d", f"{UCI}/adult/adult.data"
    ),
    DataFile(
        "census", "adult.test", "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05", f"{UCI}/adult/adult.test"
    ),
)


def census(data_dir: str | os.PathLike | None = None) -> Splits:
    """UCI Adult: 32,561 and 16,281 persons of the census of 1994, their data and whether they earn more than 50,000 dollars.

    Args:
        data_dir: a folder with `adult.data` and `adult.test`; see the module for what is done without.

    Returns:
        `Splits(train, test)`, each a dict of the 14 columns and `income`, `"<=50K"` or `">50K"`. Missing values are `"?"`.

    Raises:
        FileNotFoundError: if the files are not there and can't be downloaded; DataLossError if a checksum does not fit.

    Reference: Becker and Kohavi, "Adult", UCI Machine Learning Repository, 1996, doi:10.24432/C5XW20 (CC BY 4.0).
    """
    how = dict(column_names=CENSUS_COLUMNS, header=False, trim=True)
    train = _table(CENSUS.train, data_dir, **how)
    test = _table(CENSUS.test, data_dir, skip_rows=1, **how)
    test["income"] = np.array([label.rstrip(".") for label in test["income"]], object)
    return Splits(train, test)


TITANIC_FILES = Splits(
    DataFile("titanic", "train.csv", "61d7f685e683994963ba14a6189edccf5e6cab779451cd9f49a4b4e847baa903", f"{TITANIC}/train.csv"),
    DataFile("titanic", "eval.csv", "609b158a7b8481803b13aa7f950b6e3357d076fdd2b91e9398d1696b1ffa96db", f"{TITANIC}/eval.csv"),
)


def titanic(data_dir: str | os.PathLike | None = None) -> Splits:
    """The passengers of the Titanic as the tf.estimator tutorials divide them: 627 and 264, with the label `survived`.

    Args, Raises: as `census`; the files are `train.csv` and `eval.csv`.

    Returns:
        `Splits(train, test)`, each a dict of columns.
    """
    return Splits(*(_table(file, data_dir) for file in TITANIC_FILES))


BANK = DataFile(
    "bank", "bank-full.csv", "d1513ec63b385506f7cfce9f2c5caa9fe99e7ba4e8c3fa264b3aaf0f849ed32d", f"{UCI}/00222/bank.zip",
    "bank-full.csv",
)  # fmt: skip


def bank(data_dir: str | os.PathLike | None = None) -> Columns:
    """UCI Bank Marketing: 45,211 telephone calls of a bank, with the label `y`, `"yes"` or `"no"`.

    `duration` is known only after the call: leave it out of a realistic model.

    Args, Raises: as `census`; the file is `bank-full.csv` (or `bank-full.csv.gz`).

    Reference: Moro, Laureano and Cortez, 2011; UCI Machine Learning Repository, data set 222 (CC BY 4.0).
    """
    return _table(BANK, data_dir, field_delim=";")


MOVIELENS_FILES = {
    name: DataFile("movielens", f"{name}.csv", digest, MOVIELENS, f"ml-latest-small/{name}.csv")
    for name, digest in {
        "ratings": "80da8b3393dae325bbba5a31f291a6ba55d8d4f4396de3c456f2c1635b1b70e8",
        "movies": "c47b783f23eb304413307e1bb05335e427737da20ec8d3c0e96335567dd5f3dc",
        "tags": "68eec00a0820c2faa8863a6df7032f13d5899a4462bce9a97213905297ff3d34",
        "links": "028a4a1d17751ca9276e0e0718cfc22356350f224a996e1ec348c23274b9209d",
    }.items()
}


def movielens(data_dir: str | os.PathLike | None = None) -> dict[str, Columns]:
    """MovieLens "latest small" (2018): 100,836 ratings of 9,724 movies by 610 users.

    Args, Raises: as `census`; the files are `ratings.csv`, `movies.csv`, `tags.csv`, `links.csv`.

    Returns:
        A dict of columns for each of `ratings`, `movies`, `tags` and `links`.

    Reference: Harper and Konstan, 2015, doi:10.1145/2827872. For research, not commercial; see the README of the data.
    """
    return {name: _table(file, data_dir) for name, file in MOVIELENS_FILES.items()}


SMS = DataFile(
    "text/sms-spam", "SMSSpamCollection", "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
    f"{UCI}/00228/smsspamcollection.zip", "SMSSpamCollection",
)  # fmt: skip


def sms_spam(data_dir: str | os.PathLike | None = None) -> Columns:
    """UCI SMS Spam Collection: 5,574 messages, `label` (`"ham"` or `"spam"`) and `text`.

    Args, Raises: as `census`; the file is `SMSSpamCollection`.

    Reference: Almeida, Gomez Hidalgo and Yamakami, 2011; UCI Machine Learning Repository, data set 228 (CC BY 4.0).
    """
    lines = contents(SMS, data_dir).decode("utf8").splitlines()
    pairs = [line.split("\t", 1) for line in lines if line]
    return {
        "label": np.array([label for label, _ in pairs], object),
        "text": np.array([text for _, text in pairs], object),
    }


FASHION_FILES = {
    name: DataFile("fashion-mnist", name, digest, f"{FASHION}/{name}.gz", is_text=False)
    for name, digest in {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }.items()
}


def fashion_mnist(data_dir: str | os.PathLike | None = None) -> Splits:
    """Fashion-MNIST: 60,000 and 10,000 grey images of clothes in 10 classes.

    Args, Raises: as `census`; the files are the four `*-ubyte.gz`.

    Returns:
        `Splits(train, test)`, each `(images, labels)` of uint8, shapes `[rows, 28, 28]` and `[rows]`.

    Reference: Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747 (MIT licence).
    """
    parts = {name: contents(file, data_dir) for name, file in FASHION_FILES.items()}

    def split(prefix: str) -> tuple[np.ndarray, np.ndarray]:
        images = np.frombuffer(parts[f"{prefix}-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 28, 28)
        return images, np.frombuffer(parts[f"{prefix}-labels-idx1-ubyte"], np.uint8, offset=8)

    return Splits(split("train"), split("t10k"))
