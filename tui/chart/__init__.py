"""Charts: which there are, and what their cells hold. Loaded after the first paint (numpy)."""
