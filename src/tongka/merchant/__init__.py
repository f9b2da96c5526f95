"""The merchant's edges: where gates upload, and how trades go out."""
