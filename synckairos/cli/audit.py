"""`synckairos audit`: what the audit trail holds, and what is on its way there; the commands are beside this file."""

import typer

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
