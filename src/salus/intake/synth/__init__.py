"""Synthetic citizens: tables per country and of common clinical facts, and a seeded generator."""
