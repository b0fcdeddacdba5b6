"""A routed net as geometry: its parts, its figures, the rules, pictures of it."""
