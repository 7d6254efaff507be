{{ config(tags=['smoke']) }}

select
    cast("ProcNum" as bigint) as procedure_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"AptNum"') }} as appointment_id,
    {{ foreign_key('"CodeNum"') }} as procedure_code_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    cast("ProcStatus" as integer) as procedure_status,
    {{ clinic_date('"ProcDate"') }} as procedure_date,
    {{ clinic_date('"DateTP"') }} as planned_date,
    {{ clinic_date('"DateComplete"') }} as completed_date,
    {{ money('"ProcFee"') }} as unit_fee,
    cast("UnitQty" as integer) as unit_quantity,
    cast("BaseUnits" as integer) as base_units,
    {{ money('"Discount"') }} as discount,
    {{ money('"DiscountPlanAmt"') }} as discount_plan_amount,
    "ToothNum" as tooth_number,
    "Surf" as surfaces,
    {{ foreign_key('"Priority"') }} as priority_id,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'procedurelog') }}
