"""A run on disk: the only room that knows the file names inside a run folder. Free of torch."""
