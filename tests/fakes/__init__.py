"""Servers of our own that misbehave on purpose, each an object with a `port`, a record and a clean stop.

    with imap_faults.Silent(at="LIST") as server:                    # answers everything but that
        server.add("Spamverdacht", message)
        connect("127.0.0.1", server.port, server.username, server.password)
        assert server.log == ["CAPABILITY", "LOGIN", ...]

    with smtp_faults.closes("END") as server:                        # has the message, and never says so
        ...
        assert server.transactions[0].content == message and not server.accepted

`FakeImap` and `FakeSmtp` themselves behave well: a fault changes one step of a good session, so that a test which
passes against the good one fails for its own reason alone. Any of them speaks TLS with
`tls=certificates.expired.context()` (or offers STARTTLS with `starttls=`), and slowly with `pace=` seconds a byte.
"""
