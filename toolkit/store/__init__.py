"""The memory: runs, seeds, and the evidence that was seen of them, in SQLite or PostgreSQL."""
