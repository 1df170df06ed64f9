"""Formats that files come in: one module each, which defines `FORMAT`. A new format is one new file."""
