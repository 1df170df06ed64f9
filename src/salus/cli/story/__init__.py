"""The demonstration: three nodes as three processes, and the story of a citizen by their HTTP interfaces."""
