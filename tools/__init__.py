"""Tools that derive what Salus ships; none of them runs on a node."""
