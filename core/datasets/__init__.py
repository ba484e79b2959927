"""Data sets as file lists, class maps and splits; pixels are read in core.data. Free of torch."""
