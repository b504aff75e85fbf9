"""Tests of estimax.ops."""
