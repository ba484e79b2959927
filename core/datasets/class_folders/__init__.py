"""Images in folders or lists that name their classes."""
