"""Widgets without logic of their own."""
