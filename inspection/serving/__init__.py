"""The detector behind Ray Serve, and the inspector that feeds it."""
