"""Hostile requests against a running node."""
