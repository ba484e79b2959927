"""What a run gets wrong: the screen, its model and its panes."""
