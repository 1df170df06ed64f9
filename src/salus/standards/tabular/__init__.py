"""Tables of text (RFC 4180 and its relatives) by a mapping that the site writes."""
