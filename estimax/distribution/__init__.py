"""Placement of batches and variables on several devices."""

from estimax.distribution.data_parallel import DataParallel

__all__ = ["DataParallel"]
