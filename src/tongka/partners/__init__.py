"""The partners: one folder each for what is said, how it is signed, and both sides of the line."""
