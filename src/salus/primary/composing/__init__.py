"""Steps by which a European document is composed from a record; the kinds are in `primary/documents/`."""
