"""The node's own words: values without input or output."""
