"""Segments of messages: one module each, which defines `SEGMENTS`. A further segment is one new file."""
