"""The embedded OpenID Connect provider and wallet of a demonstration, for test persons; on no other node."""
