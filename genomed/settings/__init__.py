"""Every default of the suite: one frozen dataclass per step, each field with its unit."""

from genomed.settings.convert import ConvertSettings
from genomed.settings.evaluate import EvaluateSettings
from genomed.settings.explain import ExplainSettings
from genomed.settings.qc import OUTLIER_COLUMNS, QcSettings
from genomed.settings.reads import (
    CallSettings,
    CallTrainSettings,
    EvidenceSettings,
    IdentitySettings,
    ReadsFeaturesSettings,
    ReadsQcSettings,
    ReadsScoreSettings,
)
from genomed.settings.risk import RiskSettings
from genomed.settings.structure import RohSettings, StructureSettings
from genomed.settings.train import (
    CalibrationSettings,
    DesignSettings,
    PathSettings,
    SplitSettings,
    TrainSettings,
    TraitSettings,
)
from genomed.settings.workflow import PlanSettings, RunSettings

__all__ = [
    "OUTLIER_COLUMNS",
    "CalibrationSettings",
    "CallSettings",
    "CallTrainSettings",
    "ConvertSettings",
    "DesignSettings",
    "EvaluateSettings",
    "EvidenceSettings",
    "ExplainSettings",
    "IdentitySettings",
    "PathSettings",
    "PlanSettings",
    "QcSettings",
    "ReadsFeaturesSettings",
    "ReadsQcSettings",
    "ReadsScoreSettings",
    "RiskSettings",
    "RohSettings",
    "RunSettings",
    "SplitSettings",
    "StructureSettings",
    "TrainSettings",
    "TraitSettings",
]
