"""`python -m tongka` is the command `tongka`."""

from tongka.cli import main

main()
