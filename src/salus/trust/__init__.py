"""Who, may they, let through, write down."""
