"""The documents that a record gives: one module a kind, each with its constant `KIND`."""
