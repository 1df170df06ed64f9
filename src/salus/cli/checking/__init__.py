"""What `salus check` is made of: files in, verdicts, reports out."""
