"""Random surfaces with random imperfections: what is no product teaches about all of them."""
