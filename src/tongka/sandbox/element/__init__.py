"""A secure element in software: a security domain with real secure channels, and purses that are installed into it."""
