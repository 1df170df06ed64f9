"""The demonstration: three nodes as three processes, and the story of one citizen by their HTTP interfaces."""
