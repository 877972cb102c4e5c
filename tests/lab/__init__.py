"""The embedded mail world, seen through real clients."""
