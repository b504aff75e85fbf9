"""Small public data sets for examples and tests: from a folder, or downloaded once with a checksum.

Example:
    `train, test = estimax.datasets.census()` gives two dicts of columns.
"""

from estimax.data.catalog import Splits, bank, cache_folder, census, fashion_mnist, movielens, sms_spam, titanic

__all__ = ["Splits", "bank", "cache_folder", "census", "fashion_mnist", "movielens", "sms_spam", "titanic"]
