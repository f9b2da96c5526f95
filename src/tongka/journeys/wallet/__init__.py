"""Cards in phones, as the SP TSM sees them: orders of IF4, and the scripts that carry them out round by round (IF5).

`orders` takes an order once it is paid. `session` answers a report with the next order, the same one for the same
report. `program` is what a script is made of; one file holds each script. Every script begins by looking at the card,
so that it may be broken off anywhere and begun again.
"""
