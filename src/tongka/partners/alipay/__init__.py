"""Alipay transit: ride codes settled over the open gateway, as the platform and as a merchant."""
