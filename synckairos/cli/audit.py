"""`synckairos audit`: the commands on the audit trail; each is in a file beside this one."""

import typer

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
