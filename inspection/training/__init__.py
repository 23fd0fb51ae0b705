"""Training and measuring detectors."""
