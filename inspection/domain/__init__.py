"""The words and rules of inspection, free of frameworks and I/O."""
