"""Measurements: each module of this folder has `figures()`; `make bench` prints one JSON line per figure."""
