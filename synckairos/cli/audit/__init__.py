"""`synckairos audit`: the commands on the audit trail; each group is in a file of this folder."""
