"""Profiles (R4, profiling.html): from differentials to closures that check resources."""
