{{ config(tags=['clinical', 'date_relative']) }}

with totals as (
    select
        cast(date_trunc('month', presented_date) as date) as presented_month,
        presenter_id,
        clinic_id,
        count(distinct treatment_plan_id) as plans,
        count(*) as presented_procedures,
        count(*) filter (where is_completed or is_scheduled) as accepted_procedures,
        round(sum(fee), 2) as presented,
        round(coalesce(sum(fee) filter (where is_completed or is_scheduled), 0), 2) as accepted
    from {{ ref('int_plan_procedures_presented') }}
    group by 1, 2, 3
)

select
    presented_month,
    presenter_id,
    clinic_id,
    plans,
    presented_procedures,
    accepted_procedures,
    {{ cents('presented') }} as presented_amount,
    {{ cents('accepted') }} as accepted_amount,
    {{ ratio('accepted_procedures', 'presented_procedures') }} as acceptance_rate,
    {{ ratio('accepted', 'presented') }} as acceptance_rate_by_fee
from totals
