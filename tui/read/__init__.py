"""What the screens show, read from the run folders off the UI thread. No widget in it."""
