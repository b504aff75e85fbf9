"""Looking at models: tables of layers with shapes, parameters, bytes and FLOPs."""

from estimax.introspect.summary import LayerRow, readable_count, table_text

__all__ = ["LayerRow", "readable_count", "table_text"]
