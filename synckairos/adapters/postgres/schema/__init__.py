"""The tables themselves: migrations, partitions and their upkeep; nothing here reads or writes a session."""
