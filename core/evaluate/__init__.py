"""Measuring checkpoints and saving predictions."""
