"""Watch: live training seen through hooks, findings while it runs, deeds when asked, probes on copies."""

from surefoot.watch.acting import Limits
from surefoot.watch.autopilot import autopilot
from surefoot.watch.pilot import Pilot
from surefoot.watch.probing import probe
from surefoot.watch.watching import Watch, watch

__all__ = ["Limits", "Pilot", "Watch", "autopilot", "probe", "watch"]
