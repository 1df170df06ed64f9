"""Breaches of personal data: finding them in the ledger, and what the law asks for then. No I/O here."""
