"""The embedded mail world: SMTP, IMAP with Gmail's extension, DNS and a DNSBL in one process on loopback.

The rest of mailwhy sees it through the wire alone, as it would see the world. `World.start()` of
`toolkit.lab.world` starts it.
"""
