"""Integrations: `watch` in the training loops of other libraries, one line each.

A file for each library, which is imported only when that file is. All stand on the hooks of the optimizer; what they
add is what only the library knows: the loss, validations, its own schedule, and how it is told to stop.
"""
