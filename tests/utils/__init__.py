"""Tests of estimax.utils."""
