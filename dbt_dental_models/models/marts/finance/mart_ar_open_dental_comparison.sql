{{ config(tags=['financial', 'date_relative']) }}

{%- set amounts = {
    'balance_total': 'open_dental_balance',
    'balance_0_30': 'open_dental_balance_0_30',
    'balance_31_60': 'open_dental_balance_31_60',
    'balance_61_90': 'open_dental_balance_61_90',
    'balance_over_90': 'open_dental_balance_over_90',
    'insurance_estimate': 'open_dental_insurance_estimate',
    'payment_plan_due': 'open_dental_pay_plan_due',
} %}

with ours as (
    select * from {{ ref('mart_ar_aging_family') }}
),

theirs as (
    select * from {{ ref('stg_opendental__patient') }}
),

rules as (
    select
        case when last_aged_on ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$' then cast(last_aged_on as date) end
            as last_aged_on
    from {{ ref('int_accounting_rules_resolved') }}
),

edits as (
    select * from {{ ref('int_family_accounts_edited') }}
),

compared as (
    select
        ours.as_of_date,
        ours.family_id,
        ours.clinic_id,
        rules.last_aged_on,
        edits.last_edited_on,
        {% for amount, column in amounts.items() -%}
        ours.{{ amount }} as our_{{ amount }},
        round(theirs.{{ column }}, 2) as their_{{ amount }},
        {% endfor -%}
        {% for amount, column in amounts.items() -%}
        abs(ours.{{ amount }} - theirs.{{ column }}) < 0.01{{ ' and' if not loop.last }}
        {% endfor -%}
            as is_equal
    from ours
    cross join rules
    inner join theirs on ours.family_id = theirs.patient_id
    left join edits on ours.family_id = edits.family_id
)

select
    as_of_date,
    family_id,
    clinic_id,
    last_aged_on,
    last_edited_on,
    {% for amount in amounts -%}
    {{ cents('our_' ~ amount) }} as our_{{ amount }},
    {{ cents('their_' ~ amount) }} as their_{{ amount }},
    {{ cents('our_' ~ amount ~ ' - their_' ~ amount) }} as difference_{{ amount }},
    {% endfor -%}
    -- Open Dental ages every family at night, and one whose account is opened again on that day.
    case
        when is_equal then 'agrees'
        when last_aged_on is distinct from as_of_date then 'aged_on_another_day'
        when last_edited_on > last_aged_on then 'edited_since'
        else 'differs'
    end as verdict
from compared
