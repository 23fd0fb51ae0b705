"""The keeper: what is old or too much goes, before the disk is full."""
