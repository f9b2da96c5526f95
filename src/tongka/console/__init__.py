"""The operator's console: pages made on the server."""
