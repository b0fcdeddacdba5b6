"""Random nets with their layouts, as arrays, as batches and as files."""
