"""Evidence to facts. Pure: what was seen goes in, what follows from it comes out."""
