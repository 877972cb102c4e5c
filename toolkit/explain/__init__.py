"""Words and advice: what was found, and what to do about it. Facts about providers come from `toolkit/data`."""
