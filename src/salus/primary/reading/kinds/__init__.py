"""How kinds of entries are read: a file a kind, each with one constant `KIND`."""
