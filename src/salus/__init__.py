"""Salus, an open health-data node for Europe."""
