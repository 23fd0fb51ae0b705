"""The checks of `inspection doctor`: each says what it found, or raises an error with the cure."""
