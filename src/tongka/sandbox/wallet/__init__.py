"""A phone with its wallet: the Wallet App's published methods, the wallet's server, and their secure elements."""
