"""The card: its commands, its files, its e-purse. Pure rules; the reader is the only file that touches hardware."""
