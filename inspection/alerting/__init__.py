"""Telling people: alerts, channels, notifications."""
