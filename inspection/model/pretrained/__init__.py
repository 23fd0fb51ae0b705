"""Frozen networks that others trained, opened by reference: backbones and text towers."""
