"""The functions of FHIRPath, a module for each family, each with a table `FUNCTIONS` of its own."""
