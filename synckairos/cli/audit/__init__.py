"""`synckairos audit`: the commands on the audit trail; each group is in a file of this folder."""

import typer

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
