"""What a run will do to each table, why, in which order, and how long it will take; pure."""

from dental_etl.plan.estimate import Basis, Estimate
from dental_etl.plan.history import NIGHTS, ExtractAction, TableHistory, histories
from dental_etl.plan.night import Knowledge, Night, Slot, Timetable, order, plan_night, timetable
from dental_etl.plan.tables import TablePlan, is_gap_too_long, plan_table
from dental_etl.plan.treatment import AIM_BYTES, AIM_SECONDS, as_planned, with_rows

__all__ = [
    "AIM_BYTES",
    "AIM_SECONDS",
    "NIGHTS",
    "Basis",
    "Estimate",
    "ExtractAction",
    "Knowledge",
    "Night",
    "Slot",
    "TableHistory",
    "TablePlan",
    "Timetable",
    "as_planned",
    "histories",
    "is_gap_too_long",
    "order",
    "plan_night",
    "plan_table",
    "timetable",
    "with_rows",
]
