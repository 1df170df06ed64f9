"""One file for each kind of suite; each defines `SUITE`."""
