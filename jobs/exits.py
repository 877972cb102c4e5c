"""Exit statuses: what cron and schedulers are told."""

DONE = 0
"""The work was done, whatever it found."""

PART = 1
"""Part of the work could not be done."""

WRONG = 2
"""The call or the configuration is wrong."""

FOUND = 3
"""What was found is what --fail-on names."""
