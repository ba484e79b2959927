"""Slots, queue, supervisor: how runs start, stop and survive. Free of torch."""
