{{ config(tags=['insurance', 'date_relative']) }}

-- Sent and not received. A preauthorisation asks a question, it bills nothing.
with claims as (
    select * from {{ ref('stg_opendental__claim') }}
    where claim_status = 's'
        and claim_type <> 'preauth'
),

expected as (
    select
        claim_id,
        sum(insurance_estimate) as expected_payment,
        sum(write_off) as expected_write_off,
        count(*) as procedures
    from {{ ref('stg_opendental__claimproc') }}
    where claim_procedure_status = 0
    group by claim_id
)

select
    claims.*,
    coalesce(expected.expected_payment, 0) as expected_payment,
    coalesce(expected.expected_write_off, 0) as expected_write_off,
    coalesce(expected.procedures, 0) as open_procedures,
    {{ as_of_date() }} - claims.sent_date as age_days,
    {{ as_of_date() }} - claims.first_sent_date as age_days_first_sent,
    {{ as_of_date() }} - claims.service_date as age_days_service
from claims
left join expected using (claim_id)
