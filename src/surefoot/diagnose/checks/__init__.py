"""The checks, by what they look at. Importing this registers all of them, prerequisites first."""

from surefoot.diagnose.checks import finite as finite  # isort: skip
from surefoot.diagnose.checks import learning as learning  # isort: skip
from surefoot.diagnose.checks import layers as layers  # isort: skip
from surefoot.diagnose.checks import spikes as spikes  # isort: skip
from surefoot.diagnose.checks import course as course  # isort: skip
from surefoot.diagnose.checks import schedule as schedule  # isort: skip
from surefoot.diagnose.checks import generalising as generalising  # isort: skip
