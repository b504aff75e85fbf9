"""What programs of Keras call from `keras.utils`: arrays, images, datasets of folders, pictures of models, registers of classes."""

from estimax.core import standardize_dtype
from estimax.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from estimax.utils.arrays import normalize, pad_sequences, to_categorical
from estimax.utils.datasets import split_dataset, timeseries_dataset_from_array
from estimax.utils.directories import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    text_dataset_from_directory,
)
from estimax.utils.graphs import model_to_dot, plot_model
from estimax.utils.images import array_to_img, img_to_array, load_img, save_img
from estimax.utils.progress import Progbar
from estimax.utils.session import clear_session, get_source_inputs, is_keras_tensor, set_random_seed

__all__ = [
    "CustomObjectScope", "Progbar", "array_to_img", "audio_dataset_from_directory", "clear_session", "custom_object_scope",
    "deserialize_keras_object", "get_custom_objects", "get_registered_name", "get_registered_object", "get_source_inputs",
    "image_dataset_from_directory", "img_to_array", "is_keras_tensor", "load_img", "model_to_dot", "normalize", "pad_sequences",
    "plot_model", "register_keras_serializable", "save_img", "serialize_keras_object", "set_random_seed", "split_dataset",
    "standardize_dtype", "text_dataset_from_directory", "timeseries_dataset_from_array", "to_categorical",
]  # fmt: skip
