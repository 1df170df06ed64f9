"""The pages of a node: plain, server-rendered, every one through the gate."""
