"""The only doors to the network: SMTP and LMTP, IMAP, DNS. Time and bytes are bounded here, once for all."""
