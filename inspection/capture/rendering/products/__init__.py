"""Families of parts: how each is designed, and how one part of a design differs from the next."""
