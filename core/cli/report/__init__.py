"""What people hand on: pages of runs and studies in markdown and HTML."""
