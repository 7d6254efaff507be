{{ config(tags=['financial', 'date_relative']) }}

select
    entry_key,
    entry_type,
    source_id,
    entry_date,
    coalesce(family_id, 0) as family_id,
    coalesce(patient_id, 0) as patient_id,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    {{ cents('amount') }} as amount,
    {{ cents('greatest(amount, 0)') }} as charge,
    {{ cents('-least(amount, 0)') }} as credit,
    {{ cents('insurance_estimate') }} as insurance_estimate,
    {{ cents('write_off_estimate') }} as write_off_estimate,
    linked_procedure_id,
    linked_date,
    -- In the balance, and in no age bucket.
    entry_date > {{ as_of_date() }} as is_future
from {{ ref('int_ledger_entries') }}
