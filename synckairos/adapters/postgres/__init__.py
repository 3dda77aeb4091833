"""The database: its pool, its errors, its options; the trail and the schema live in folders of their own."""
