"""JSON Object Signing and Encryption (RFC 7515-7518), with the algorithms pinned by the caller."""
