"""The only SQL, files and engines."""
