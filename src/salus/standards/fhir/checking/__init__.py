"""Verdicts on files, and the reports that are made of them."""
