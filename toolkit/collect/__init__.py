"""Evidence gathered: seeds sent and found again. What is seen is recorded here, and judged elsewhere."""
