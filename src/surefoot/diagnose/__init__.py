"""Diagnose: what a training suffers from, told from its log: checks with evidence, a verdict, how sure, the remedy."""

from surefoot.diagnose.diagnose import diagnose, diagnose_run

__all__ = ["diagnose", "diagnose_run"]
