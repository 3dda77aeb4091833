"""`python -m bench`."""

import typer

from bench.main import main

typer.run(main)
