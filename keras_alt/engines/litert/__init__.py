"""LiteRT: the file, its operators, and the engine that runs it."""
