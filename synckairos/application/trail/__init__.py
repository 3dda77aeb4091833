"""The audit trail: what its records and questions are, and the ports through which it is written and read."""
