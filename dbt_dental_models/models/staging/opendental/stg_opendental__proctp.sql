{{ config(tags=['clinical']) }}

select
    cast("ProcTPNum" as bigint) as planned_procedure_id,
    {{ foreign_key('"TreatPlanNum"') }} as treatment_plan_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProcNumOrig"') }} as procedure_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"Priority"') }} as priority_id,
    cast("ItemOrder" as integer) as item_order,
    "ProcCode" as procedure_code,
    "ToothNumTP" as tooth_number,
    "Surf" as surfaces,
    {{ money('"FeeAmt"') }} as fee,
    {{ money('"PriInsAmt"') }} as primary_insurance_estimate,
    {{ money('"SecInsAmt"') }} as secondary_insurance_estimate,
    {{ money('"PatAmt"') }} as patient_amount,
    {{ money('"Discount"') }} as discount,
    {{ money_or_null('"FeeAllowed"') }} as allowed_fee,
    {{ clinic_date('"DateTP"') }} as planned_date,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'proctp') }}
