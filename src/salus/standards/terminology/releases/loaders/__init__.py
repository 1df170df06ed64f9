"""Kinds of releases: one module each, which defines `LOADER`."""
