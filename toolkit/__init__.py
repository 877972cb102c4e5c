"""What mailwhy knows and does: evidence in, causes out. Knows nothing of pages or of schedules."""
