{{ config(tags=['clinical', 'system_a', 'date_relative']) }}

with procedures as (
    select * from {{ ref('int_treatment_accepted') }}
),

totals as (
    select
        presented_date,
        provider_id,
        clinic_id,
        is_recall_work,
        bool_and(is_settled) as is_settled,
        {% for group, condition in {
            'presented': 'not is_same_day',
            'same_day': 'is_same_day',
            'completed': 'not is_same_day and is_completed',
            'scheduled': 'not is_same_day and is_scheduled',
        }.items() -%}
        count(*) filter (where {{ condition }}) as {{ group }}_procedures,
        round(coalesce(sum(fee) filter (where {{ condition }}), 0), 2) as {{ group }}{{ ',' if not loop.last }}
        {% endfor %}
    from procedures
    group by presented_date, provider_id, clinic_id, is_recall_work
)

select
    presented_date,
    provider_id,
    clinic_id,
    is_recall_work,
    is_settled,
    presented_procedures,
    same_day_procedures,
    completed_procedures,
    scheduled_procedures,
    completed_procedures + scheduled_procedures as accepted_procedures,
    {{ cents('presented') }} as presented_amount,
    {{ cents('same_day') }} as same_day_amount,
    {{ cents('completed') }} as completed_amount,
    {{ cents('scheduled') }} as scheduled_amount,
    {{ cents('completed + scheduled') }} as accepted_amount,
    {{ ratio('completed_procedures + scheduled_procedures', 'presented_procedures') }} as acceptance_rate,
    {{ ratio('completed + scheduled', 'presented') }} as acceptance_rate_by_fee
from totals
