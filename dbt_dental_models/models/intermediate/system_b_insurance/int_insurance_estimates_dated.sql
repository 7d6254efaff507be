{{ config(tags=['insurance', 'date_relative']) }}

-- Open Dental's insurance aging: what was expected on the day, by the age of the treatment. A claim that has
-- been received since was still open then; write-offs and the procedure's status play no part.
select
    claim_procedure_id,
    patient_id,
    provider_id,
    clinic_id,
    insurance_plan_id,
    procedure_date,
    {{ as_of_date() }} - {{ ledger_date('procedure_date') }} as age_days,
    insurance_estimate
from {{ ref('stg_opendental__claimproc') }}
where {{ ledger_date('procedure_date') }} <= {{ as_of_date() }}
    and insurance_estimate <> 0
    and (
        claim_procedure_status = 0
        or (claim_procedure_status = 1 and posted_date > {{ as_of_date() }})
    )
