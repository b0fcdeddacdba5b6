"""All nets of a placed design on its tracks."""
