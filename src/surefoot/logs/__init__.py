"""Logs: what other tools wrote about a training, read as runs. Floor 1: standard library and NumPy, never torch.

`read_logs(paths)` gives one `LogRun` per training: a `records.Run`, the quirks met as notes, and where reading
stopped. It recognises formats by content, executes nothing, and opens no file because a log names it.
"""

from surefoot.logs.log_run import LogRun, LossKind, LrOf, Note, Series
from surefoot.logs.read import read_logs
from surefoot.logs.recognise import FORMATS

__all__ = ["FORMATS", "LogRun", "LossKind", "LrOf", "Note", "Series", "read_logs"]
