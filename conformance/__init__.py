"""What is shown to hold: public suites, clauses and obligations."""
