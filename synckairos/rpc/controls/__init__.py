"""Time controls at the boundary, and TimeControlService."""
