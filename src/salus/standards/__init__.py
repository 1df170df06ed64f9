"""One folder per external standard: pure functions and tables that know nothing of the node."""
