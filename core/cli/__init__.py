"""Headless commands; the only writer to stdout and stderr in core."""
