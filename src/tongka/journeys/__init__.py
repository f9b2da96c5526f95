"""Journeys: one thing that happens to a passenger or an operator, from end to end.

A journey looks, decides by the pure rules of the core, and moves the order in one statement together with the answer's
bytes. It is handed a `Call` by a partner's edge and answers the bytes to send, so that a repeat gets the very same.
"""
