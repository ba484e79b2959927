"""Pixel cache, and batches and augmentation on the device."""
