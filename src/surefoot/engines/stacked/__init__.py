"""Stacked layers: a user's module computed for many members at once, with derivatives by hand."""
