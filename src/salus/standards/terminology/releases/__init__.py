"""Releases of code systems as published, read to one form. A new kind is one file in `loaders`."""
