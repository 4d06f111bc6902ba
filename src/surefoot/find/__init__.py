"""Find the rate: short and full trainings at many rates, and what they say about the best one."""

from surefoot.find.find import find
from surefoot.find.progress import Progress, Row, Watch

__all__ = ["Progress", "Row", "Watch", "find"]
