"""HTTP faces: one module per standard."""
