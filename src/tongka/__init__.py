"""Tongka: an open transit-card platform."""

from importlib.metadata import version

VERSION = version("tongka")
