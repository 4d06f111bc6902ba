"""The lab: the textbook's programs by name. Listing them loads no torch."""

from surefoot.textbook.lab.catalogue import PROGRAMS, Program, Setting, find_program
from surefoot.textbook.lab.record import Curve, Grid, LabResult, LabTable, Panel

__all__ = ["PROGRAMS", "Curve", "Grid", "LabResult", "LabTable", "Panel", "Program", "Setting", "find_program"]
