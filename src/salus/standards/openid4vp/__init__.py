"""OpenID for Verifiable Presentations 1.0, as HAIP 1.0 narrows it: a verifier's part, and a test wallet's."""
