{{ config(tags=['financial']) }}

select
    'adjustment' as entry_type,
    adjustment_id as source_id,
    patient_id,
    provider_id,
    clinic_id,
    {{ ledger_date('adjustment_date') }} as entry_date,
    amount,
    procedure_id as linked_procedure_id,
    -- The adjustment's own copy of the procedure's date, however stale: Open Dental ages by it.
    {{ ledger_date('procedure_date') }} as linked_date
from {{ ref('stg_opendental__adjustment') }}
where amount <> 0
