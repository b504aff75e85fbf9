"""The `.keras` archive: config.json, metadata.json and model.weights.h5 in one zip file, as Keras 3 has it."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from estimax._version import __version__
from estimax.core import serialize
from estimax.core.errors import CheckpointError
from estimax.models.model import Model
from estimax.models.saving.config import model_from_config, parse_json
from estimax.models.saving.groups import weight_groups
from estimax.models.saving.h5 import read_h5, read_optimizer, write_h5
from estimax.models.saving.replace import replaced

FORMAT_VERSION = "3.15.1"  # the version of Keras whose archives these are
CONFIG, METADATA, WEIGHTS, ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets"
_MAX_JSON_BYTES = 256 * 2**20
# Archives are stored, not compressed. Deflate reaches a thousandfold; weights that were packed afterwards far less than this.
_MAX_RATIO = 100
_RATIO_FROM_BYTES = 2**20


def save_model(model: Model, filepath: Any, overwrite: bool = True) -> None:
    """Writes a model to a `.keras` archive; see `Model.save`.

    Example:
        >>> import tempfile
        >>> from estimax.layers import Dense, Input
        >>> from estimax.models import Sequential
        >>> path = tempfile.mkdtemp() + "/m.keras"
        >>> save_model(Sequential([Input((3,)), Dense(2)]), path)
        >>> load_model(path).count_params()
        8

    Reference: keras.saving.save_model.
    """
    path = os.fspath(filepath)
    if not path.endswith(".keras"):
        raise ValueError(f"save: given {path!r}, expected a name that ends in .keras. For weights alone use save_weights.")
    model._check_built("save")
    config = json.dumps(serialize(model))
    saved = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = json.dumps({"keras_version": FORMAT_VERSION, "date_saved": saved, "estimax_version": __version__})
    with replaced(path, overwrite=overwrite) as name:
        weights = name + ".weights"
        try:
            write_h5(model, weights)
            with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(METADATA, metadata)
                archive.writestr(CONFIG, config)
                archive.write(weights, WEIGHTS)
                _write_assets(model, archive)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(weights)


def _write_assets(model: Model, archive: zipfile.ZipFile) -> None:
    """Files that layers keep beside their weights: vocabularies."""
    for group, layer, _ in weight_groups(model):
        if not hasattr(layer, "save_assets"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            for name in sorted(os.listdir(folder)):
                archive.write(os.path.join(folder, name), f"{ASSETS}/{group}/{name}")


class Archive:
    """A `.keras` file, opened with distrust: its members are checked before anything is read.

    Args:
        path: of the file.

    Raises:
        CheckpointError: if it is no zip file, has members that leave the archive, or members that expand too much.
    """

    def __init__(self, path: str):
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as e:
            raise CheckpointError(f"{path}: no readable .keras archive ({e}). Is the file complete?") from None
        try:
            self._check()
        except CheckpointError:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exc: object) -> None:
        self._zip.close()

    def _check(self) -> None:
        for info in self._zip.infolist():
            name = info.filename
            if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
                raise CheckpointError(f"{self.path}: has a member {name!r}, which would lie outside the archive. It is not read.")
            if info.file_size > _RATIO_FROM_BYTES and info.file_size > _MAX_RATIO * max(info.compress_size, 1):
                raise CheckpointError(
                    f"{self.path}: {name!r} would expand from {info.compress_size} to {info.file_size} bytes. It is not read: the archive is "
                    "made to exhaust memory."
                )
        missing = [n for n in (CONFIG, WEIGHTS) if n not in self._zip.namelist()]
        if missing:
            raise CheckpointError(
                f"{self.path}: the archive lacks {', '.join(missing)}. Expected one that Keras 3 or estimax saved."
            )

    def config(self) -> Any:
        """The description of the model."""
        if self._zip.getinfo(CONFIG).file_size > _MAX_JSON_BYTES:
            raise CheckpointError(f"{self.path}: {CONFIG} is larger than {_MAX_JSON_BYTES} bytes. It is not read.")
        return parse_json(self._read(CONFIG), f"{self.path}: {CONFIG}")

    @property
    def weight_bytes(self) -> int:
        """Size of the file of weights."""
        return self._zip.getinfo(WEIGHTS).file_size

    @contextlib.contextmanager
    def weights(self) -> Iterator[Any]:
        """The file of weights."""
        with io.BytesIO(self._read(WEIGHTS)) as f:
            yield f

    def load_assets(self, model: Model) -> None:
        """Gives layers the files that they kept."""
        for group, layer, _ in weight_groups(model):
            prefix = f"{ASSETS}/{group}/"
            names = [
                n for n in self._zip.namelist() if n.startswith(prefix) and "/" not in n.removeprefix(prefix) and n != prefix
            ]
            if not names or not hasattr(layer, "load_assets"):
                continue
            with tempfile.TemporaryDirectory() as folder:
                for name in names:
                    with open(os.path.join(folder, name.removeprefix(prefix)), "wb") as f:
                        f.write(self._read(name))
                layer.load_assets(folder)

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except Exception as e:  # zipfile, zlib and the file system have no common class of errors
            raise CheckpointError(f"{self.path}: {name} is damaged: {e}. Take another copy.") from None


def load_model(filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Model:
    """The model of a `.keras` archive that estimax or Keras 3 saved.

    No code of the file is run: classes are those of estimax, and those that the caller names. Sizes and shapes are checked before memory
    is taken.

    Args:
        filepath: of the archive.
        custom_objects: classes and functions by name, for those that are not estimax's.
        compile: whether the model is compiled as it was, with the state of its optimizer.

    Raises:
        ValueError: if the file is damaged or hostile, names an unknown class, or its weights do not fit.

    Example:
        >>> load_model("missing.keras")
        Traceback (most recent call last):
            ...
        estimax.core.errors.CheckpointError: load_model: there is no file 'missing.keras'.

    Reference: keras.saving.load_model.
    """
    path = os.fspath(filepath)
    if not path.endswith(".keras"):
        raise ValueError(
            f"load_model: given {path!r}, expected a name that ends in .keras. Files of Keras 2 must be saved anew by Keras 3."
        )
    if not os.path.isfile(path):
        raise CheckpointError(f"load_model: there is no file {path!r}.")
    with Archive(path) as archive:
        config = archive.config()
        model = model_from_config(config, custom_objects, name=f"{path}: {CONFIG}", budget_bytes=archive.weight_bytes)
        archive.load_assets(model)
        with archive.weights() as f:
            read_h5(model, f, path)
            if compile and config.get("compile_config"):
                model.compile_from_config(config["compile_config"], custom_objects)
                f.seek(0)
                read_optimizer(model, f, path)
    return model
