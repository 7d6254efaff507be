{{ config(tags=['insurance']) }}

select
    cast("BenefitNum" as bigint) as benefit_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ foreign_key('"PatPlanNum"') }} as patient_plan_id,
    {{ foreign_key('"CovCatNum"') }} as coverage_category_id,
    cast("BenefitType" as integer) as benefit_type,
    benefit_type.label as benefit_type_label,
    nullif(cast("Percent" as integer), -1) as percent,
    {{ money_or_null('"MonetaryAmt"') }} as amount,
    cast("TimePeriod" as integer) as time_period,
    time_period.label as time_period_label,
    cast("QuantityQualifier" as integer) as quantity_qualifier,
    quantity_qualifier.label as quantity_qualifier_label,
    cast("Quantity" as integer) as quantity,
    {{ foreign_key('"CodeNum"') }} as procedure_code_id,
    cast("CoverageLevel" as integer) as coverage_level,
    coverage_level.label as coverage_level_label,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'benefit') }}
{{ labels(
    'benefit',
    benefit_type='"BenefitType"',
    time_period='"TimePeriod"',
    quantity_qualifier='"QuantityQualifier"',
    coverage_level='"CoverageLevel"'
) }}
