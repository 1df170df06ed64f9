"""JSON Object Signing (RFC 7515), as strictly as signed claims between nodes need it."""
