"""Average precision, matching, confusion, comparison: numpy only, free of torch."""
