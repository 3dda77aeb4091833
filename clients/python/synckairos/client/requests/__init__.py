"""The requests of every call, from plain arguments: what the methods of a client take, written once."""
