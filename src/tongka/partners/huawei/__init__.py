"""The wallet of phones: orders of Your Server (IF4), and GlobalPlatform SERAM 2.0 with the wallet's server (IF5)."""
