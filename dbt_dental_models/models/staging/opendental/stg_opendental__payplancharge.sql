{{ config(tags=['financial']) }}

select
    cast("PayPlanChargeNum" as bigint) as payment_plan_charge_id,
    {{ foreign_key('"PayPlanNum"') }} as payment_plan_id,
    {{ foreign_key('"Guarantor"') }} as guarantor_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ clinic_date('"ChargeDate"') }} as charge_date,
    cast("ChargeType" as integer) as charge_type,
    {{ money('"Principal"') }} as principal,
    {{ money('"Interest"') }} as interest,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payplancharge') }}
