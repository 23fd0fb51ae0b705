"""Cameras of every kind, from a device or a folder to encoded exposures."""
