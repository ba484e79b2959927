"""The training process: loop, tasks, checkpoints, resume."""
