"""EHDS chapter II: the record in care."""
