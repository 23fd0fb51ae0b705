"""Frames that a gateway pushes: taken once, told apart, bounded, and answered with the verdict."""
