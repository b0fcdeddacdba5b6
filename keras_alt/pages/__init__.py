"""Pages and texts from templates: one self-contained file each."""
