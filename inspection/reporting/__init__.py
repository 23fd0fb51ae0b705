"""Reports of shifts: a page to print, and a sheet to calculate with."""
