"""Pages for people, made from what the toolkit found."""
