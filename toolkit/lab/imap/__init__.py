"""An IMAP server on asyncio and the standard library: IMAP4rev1 (RFC 3501) with the extensions that providers offer."""
