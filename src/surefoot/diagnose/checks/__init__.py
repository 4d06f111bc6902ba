"""The checks, by what they look at. Importing this registers all of them, prerequisites first."""

from surefoot.diagnose.checks import finite as finite
