"""One command a file: `add(parser)` adds its arguments, `run(args)` does it and returns the exit code."""
