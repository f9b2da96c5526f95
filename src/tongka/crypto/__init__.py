"""Cryptography: how PBOC and the partners put blocks together. The primitives themselves come from libraries."""
