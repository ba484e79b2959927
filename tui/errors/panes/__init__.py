"""Parts of the screen of errors, each with its widgets and its keys."""
