"""Records: frozen values that engines, hooks and log readers yield and that reports draw.

Floor 0: standard library and NumPy only, never torch.
"""

from surefoot.records.action import Action, Deed
from surefoot.records.curvature import Curvature, LayerCurvature, NoiseScale
from surefoot.records.diagnosis import FINE, Diagnoses, Diagnosis, Verdict
from surefoot.records.finding import Finding
from surefoot.records.found import CurvePoint, Found
from surefoot.records.inspection import Inspection, LayerSeries, Picture, UnitSeries
from surefoot.records.landscape import Axis, BowlTheory, Landscape, PathOnPlane
from surefoot.records.measurement import Measurement
from surefoot.records.probe import Probe
from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import FloatSeries, IntSeries, Record, float_series, int_series, write_text
from surefoot.records.run import Fate, Run
from surefoot.records.sweep import Sweep
from surefoot.records.watched import Watched

__all__ = [
    "FINE",
    "Action",
    "Axis",
    "BowlTheory",
    "Curvature",
    "CurvePoint",
    "Deed",
    "Diagnoses",
    "Diagnosis",
    "Fate",
    "Finding",
    "FloatSeries",
    "Found",
    "Inspection",
    "IntSeries",
    "Landscape",
    "LayerCurvature",
    "LayerSeries",
    "Measurement",
    "NoiseScale",
    "PathOnPlane",
    "Picture",
    "Probe",
    "Provenance",
    "Recipe",
    "Record",
    "Run",
    "Sweep",
    "UnitSeries",
    "Verdict",
    "Watched",
    "float_series",
    "int_series",
    "write_text",
]
