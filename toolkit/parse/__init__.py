"""Text and bytes to values. Pure: no network, no files, no clock; every reader takes whatever it is given."""
