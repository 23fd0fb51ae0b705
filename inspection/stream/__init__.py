"""Frames in flight: one Redis stream per camera."""
