"""Who a person is: what log-in providers and wallets are trusted for, and whose record an account opens."""
