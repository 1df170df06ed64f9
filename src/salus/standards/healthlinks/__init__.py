"""SMART Health Links and SMART Health Cards (HL7 SMART Health Cards and Links 1.0)."""
