"""Attention layers: over one head, and over several."""

from estimax.layers.attention.dot import AdditiveAttention, Attention
from estimax.layers.attention.grouped_query import GroupedQueryAttention, GroupQueryAttention
from estimax.layers.attention.multi_head import MultiHeadAttention

__all__ = ["AdditiveAttention", "Attention", "GroupQueryAttention", "GroupedQueryAttention", "MultiHeadAttention"]
