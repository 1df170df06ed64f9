"""Selective Disclosure for JWTs (RFC 9901), credentials in that form, and Token Status Lists."""
