"""Files and messages in: read, harmonise, validate, store, report."""
