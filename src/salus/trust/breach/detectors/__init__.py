"""What counts as unusual: a file a detector, each with one constant `DETECTOR`."""
