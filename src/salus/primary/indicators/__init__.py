"""Who conforms: indicators of interoperability and adoption, worked out of counts (docs/metrics.md)."""
