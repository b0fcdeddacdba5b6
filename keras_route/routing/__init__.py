"""From the scores of a network to legal nets."""
