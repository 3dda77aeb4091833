"""`synckairos session`: create, drive, read and list sessions through a server."""
