"""Kinds of attack, one file each: `cases` yields variants, and harmless ones to compare with."""
