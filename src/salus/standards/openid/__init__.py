"""OpenID Connect Core 1.0, Discovery 1.0 and the two logouts: a relying party's part, pure."""
