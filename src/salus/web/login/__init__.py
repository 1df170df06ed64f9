"""How people log in: OpenID Connect providers, wallets, and whose record an account opens (docs/login.md)."""
