"""Curves: kept compactly, drawn as dots. Loaded after the first paint (numpy)."""
