"""Which sensitive categories a resource belongs to by its codes: HL7 DS4P security labelling. Pure."""
