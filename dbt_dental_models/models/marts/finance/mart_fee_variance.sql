{{ config(tags=['financial', 'system_a']) }}

with procedures as (
    select * from {{ ref('int_procedures_completed') }}
    where not is_broken_appointment
),

fees as (
    select * from {{ ref('int_fees_looked_up') }}
),

-- Unit fees side by side; quantity counts for both.
compared as (
    select
        cast(date_trunc('month', procedures.procedure_date) as date) as activity_month,
        procedures.provider_id,
        procedures.clinic_id,
        coalesce(procedures.procedure_code_id, 0) as procedure_code_id,
        procedures.quantity,
        procedures.unit_fee,
        office.amount as office_fee,
        insurer.amount as insurer_fee
    from procedures
    left join fees as office on procedures.procedure_id = office.procedure_id and office.schedule = 'office'
    left join fees as insurer on procedures.procedure_id = insurer.procedure_id and insurer.schedule = 'insurer'
),

totals as (
    select
        activity_month,
        provider_id,
        clinic_id,
        procedure_code_id,
        count(*) as procedures,
        count(office_fee) as procedures_with_office_fee,
        count(insurer_fee) as procedures_with_insurer_fee,
        count(*) filter (where unit_fee < office_fee) as procedures_below_office_fee,
        round(sum(unit_fee * quantity), 2) as billed,
        {% for schedule in ['office', 'insurer'] -%}
        round(coalesce(sum(unit_fee * quantity) filter (where {{ schedule }}_fee is not null), 0), 2)
            as billed_with_{{ schedule }}_fee,
        round(coalesce(sum({{ schedule }}_fee * quantity), 0), 2) as {{ schedule }}{{ ',' if not loop.last }}
        {% endfor %}
    from compared
    group by activity_month, provider_id, clinic_id, procedure_code_id
)

select
    activity_month,
    provider_id,
    clinic_id,
    procedure_code_id,
    procedures,
    procedures_with_office_fee,
    procedures_with_insurer_fee,
    procedures_below_office_fee,
    {{ cents('billed') }} as billed_amount,
    {{ cents('office') }} as office_fee_amount,
    {{ cents('billed_with_office_fee - office') }} as variance_from_office_fee,
    {{ cents('insurer') }} as insurer_fee_amount,
    {{ cents('billed_with_insurer_fee - insurer') }} as variance_from_insurer_fee
from totals
