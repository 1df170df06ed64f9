"""The scoreboard: runs public test suites found in a folder and compares with a floor that may only rise."""
