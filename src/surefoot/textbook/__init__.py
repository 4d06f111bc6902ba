"""The textbook: its classic programs, run again, with what they print beside what is measured."""
