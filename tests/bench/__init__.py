"""What reading mailboxes costs, beside a plain reader: `python -m tests.bench`, or `make bench`."""
