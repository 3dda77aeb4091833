"""AuditService at the boundary: requests read, replies built."""
