"""Images with boxes: annotation formats, their repair, and the arrays they become."""
