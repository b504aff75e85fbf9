"""Feature columns: declared once over raw strings and numbers, computed on host and device, with TensorFlow's names and ids."""

from estimax.feature_columns.adapt import adapt
from estimax.feature_columns.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    SequenceColumn,
    deserialize_feature_columns,
    serialize_feature_columns,
)
from estimax.feature_columns.bucketized import bucketized_column
from estimax.feature_columns.crossed import crossed_column
from estimax.feature_columns.dynamic import categorical_column_with_dynamic_vocabulary
from estimax.feature_columns.embedding import embedding_column, shared_embeddings
from estimax.feature_columns.from_data import FrequentValues, Quantiles, Rescale, Standardize
from estimax.feature_columns.hashed import categorical_column_with_hash_bucket
from estimax.feature_columns.identity import categorical_column_with_identity
from estimax.feature_columns.indicator import indicator_column
from estimax.feature_columns.layers import DenseFeatures, LinearModel, SequenceFeatures, input_layer, linear_model
from estimax.feature_columns.numeric import numeric_column
from estimax.feature_columns.parse_specs import ids_of, make_parse_example_spec
from estimax.feature_columns.sequence import (
    sequence_categorical_column_with_hash_bucket,
    sequence_categorical_column_with_identity,
    sequence_categorical_column_with_vocabulary_file,
    sequence_categorical_column_with_vocabulary_list,
    sequence_numeric_column,
)
from estimax.feature_columns.suggest import Suggestion, suggest
from estimax.feature_columns.vocabularies import (
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
)
from estimax.feature_columns.weighted import weighted_categorical_column

__all__ = [
    "CategoricalColumn",
    "DenseColumn",
    "DenseFeatures",
    "FeatureColumn",
    "FrequentValues",
    "LinearModel",
    "Quantiles",
    "Rescale",
    "SequenceColumn",
    "SequenceFeatures",
    "Standardize",
    "Suggestion",
    "adapt",
    "bucketized_column",
    "categorical_column_with_dynamic_vocabulary",
    "categorical_column_with_hash_bucket",
    "categorical_column_with_identity",
    "categorical_column_with_vocabulary_file",
    "categorical_column_with_vocabulary_list",
    "crossed_column",
    "deserialize_feature_columns",
    "embedding_column",
    "ids_of",
    "indicator_column",
    "input_layer",
    "linear_model",
    "make_parse_example_spec",
    "numeric_column",
    "sequence_categorical_column_with_hash_bucket",
    "sequence_categorical_column_with_identity",
    "sequence_categorical_column_with_vocabulary_file",
    "sequence_categorical_column_with_vocabulary_list",
    "sequence_numeric_column",
    "serialize_feature_columns",
    "shared_embeddings",
    "suggest",
    "weighted_categorical_column",
]
