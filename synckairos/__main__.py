"""`python -m synckairos`."""

from synckairos.cli import main

main()
