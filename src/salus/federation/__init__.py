"""Membership, signed calls between nodes, fan-out and merge."""
