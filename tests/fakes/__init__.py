"""Servers of our own that misbehave on purpose, each an object with a `port`, a record and a clean stop.

    with imap_faults.Silent(at="LIST") as server:            # accepts, and never answers that command
        ...
    with smtp_faults.FakeSmtp(answer_421_at=...) as server:  # see the module for the ways to go wrong

`FakeImap` and `FakeSmtp` themselves behave well: a fault changes one step of a good session, so that a test which
passes against the good one fails for its own reason alone.
"""
