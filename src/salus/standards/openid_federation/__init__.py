"""OpenID Federation 1.0: who belongs, by whose word, and under which rules."""
