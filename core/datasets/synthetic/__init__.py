"""Sets that are drawn: shapes for classifiers, diatoms for detectors."""
