"""Tongka: an open transit-card platform."""
