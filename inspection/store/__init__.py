"""What is remembered: the database and the picture store."""
