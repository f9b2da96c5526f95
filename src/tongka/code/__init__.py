"""Ride codes: the three formats, the checks that a gate makes, and the offline record that it writes."""
