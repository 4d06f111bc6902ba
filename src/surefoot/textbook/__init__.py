"""The textbook: its classic programs and its claims, measured, and questions answered from what was measured."""
