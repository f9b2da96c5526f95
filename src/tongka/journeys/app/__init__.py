"""Your Server: riders order and pay here (IF2, IF3); what is paid goes to the SP TSM (IF4).

An order moves from created over paying and paid to submitted; from there on the card's side says how it stands. Money
whose order cannot be submitted goes back by itself.
"""
