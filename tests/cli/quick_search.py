"""A search on a built-in task that takes a second."""

QUICK = ("find", "iris", "--epochs", "5", "--batch-size", "16", "--cost", "3", "--workers", "1")
