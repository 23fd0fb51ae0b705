"""From pixels to anomaly scores."""
