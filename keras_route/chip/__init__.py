"""All nets of a chip on one grid of tracks."""
