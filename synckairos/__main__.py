"""`python -m synckairos`."""

from synckairos.cli import main

if __name__ == "__main__":  # worker processes may import this file again
    main()
