{{ config(tags=['quality', 'financial']) }}

with split_sums as (
    select payment_id, sum(amount) as amount
    from {{ ref('stg_opendental__paysplit') }}
    group by payment_id
),

cheque_sums as (
    select claim_payment_id, sum(insurance_paid) as amount
    from {{ ref('stg_opendental__claimproc') }}
    where claim_payment_id is not null
    group by claim_payment_id
)

-- A payment whose splits are fewer or more than what was paid.
select
    'payment_not_fully_split' as check_kind,
    'payment' as table_name,
    'amount' as column_name,
    count(*) as rows_checked,
    count(*) filter (where abs(payments.amount - coalesce(split_sums.amount, 0)) >= 0.01) as rows_found
from {{ ref('stg_opendental__payment') }} as payments
left join split_sums using (payment_id)
union all
select
    'cheque_not_fully_attached', 'claimpayment', 'amount', count(*),
    count(*) filter (where abs(cheques.amount - coalesce(cheque_sums.amount, 0)) >= 0.01)
from {{ ref('stg_opendental__claimpayment') }} as cheques
left join cheque_sums using (claim_payment_id)
union all
-- Earned money that names neither a procedure, an adjustment nor a plan.
select
    'unallocated_payment', 'paysplit', 'procedure_id', count(*),
    count(*) filter (
        where procedure_id is null and adjustment_id is null and payment_plan_id is null
            and unearned_type_id is null and amount <> 0
    )
from {{ ref('stg_opendental__paysplit') }}
union all
select
    'payment_without_provider', 'paysplit', 'provider_id', count(*),
    count(*) filter (where provider_id is null and unearned_type_id is null and amount <> 0)
from {{ ref('stg_opendental__paysplit') }}
union all
-- Received, paid, and on no finalised cheque.
select
    'insurance_not_finalised', 'claimproc', 'claim_payment_id', count(*),
    count(*) filter (
        where claim_payment_id is null and insurance_paid <> 0 and not is_transfer
            and claim_procedure_status in (1, 4, 5)
    )
from {{ ref('stg_opendental__claimproc') }}
union all
select
    'cheque_is_partial', 'claimpayment', 'is_partial', count(*), count(*) filter (where is_partial)
from {{ ref('stg_opendental__claimpayment') }}
union all
-- Reports multiply by the stored quantity, the program by at least one.
select
    'quantity_below_one', 'procedurelog', 'unit_quantity', count(*),
    count(*) filter (where unit_quantity + base_units < 1)
from {{ ref('stg_opendental__procedurelog') }}
where procedure_status = 2
