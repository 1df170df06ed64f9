"""Entries of sections: one module each, which defines `ENTRY`. A new kind of entry is one new file."""
