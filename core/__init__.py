"""The engine room: configs, run store, launching, training; no terminal code."""
