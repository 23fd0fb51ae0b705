"""Streaming visual quality inspection: from camera frames to verdicts, history and alerts."""

__version__ = "0.1.0"
