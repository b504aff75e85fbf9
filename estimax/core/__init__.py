"""The functional core: Variables, the Frame, host values, paths, random keys, dtypes, errors."""

from estimax.core import errors
from estimax.core.dtypes import DTypePolicy, canonical, floatx, get_policy, is_float, standardize_dtype
from estimax.core.frame import Frame, Lookup, current_frame, name_scope, open_frame, row_count, row_mask
from estimax.core.gradients import RowGradient
from estimax.core.host import (
    Features,
    HostContext,
    HostOp,
    HostOutput,
    HostTransform,
    HostValue,
    as_host_value,
    finish_outputs,
    is_host_array,
    is_plain_dict,
)
from estimax.core.lookup import embedding_lookup, lookup_rows
from estimax.core.names import first_free, snake_case, unique_paths
from estimax.core.random import SeedGenerator, next_key, next_seed, set_random_seed
from estimax.core.serialization import deserialize, find_class, plain, register, serialize
from estimax.core.state import TrainState
from estimax.core.transforms import remat, scan
from estimax.core.variable import Variable

__all__ = [
    "DTypePolicy", "Features", "Frame", "HostContext", "HostOp", "HostOutput", "HostTransform", "HostValue", "Lookup", "RowGradient",
    "SeedGenerator", "TrainState", "Variable", "as_host_value", "canonical", "current_frame", "deserialize", "embedding_lookup",
    "errors", "find_class", "finish_outputs", "first_free", "floatx", "get_policy", "is_float", "is_host_array", "is_plain_dict",
    "lookup_rows", "name_scope", "next_key", "next_seed", "open_frame", "plain", "register", "remat", "row_count", "row_mask", "scan", "serialize",
    "set_random_seed", "snake_case", "standardize_dtype", "unique_paths",
]  # fmt: skip
