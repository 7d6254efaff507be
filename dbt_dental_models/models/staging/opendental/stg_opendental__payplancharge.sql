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
    charge_type.label as charge_type_label,
    {{ money('"Principal"') }} as principal,
    {{ money('"Interest"') }} as interest,
    cast("LinkType" as integer) as link_type,
    link_type.label as link_type_label,
    {{ foreign_key('"FKey"') }} as linked_id,
    {{ flag('"IsDownPayment"') }} as is_down_payment,
    {{ flag('"IsOffset"') }} as is_offset,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payplancharge') }}
{{ labels('payplancharge', charge_type='"ChargeType"', link_type='"LinkType"') }}
