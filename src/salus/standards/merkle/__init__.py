"""Merkle logs: RFC 9162 trees and proofs, C2SP signed notes and checkpoints."""
