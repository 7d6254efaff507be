-- Staging renames and casts; it neither drops nor doubles a row.
{{ config(tags=['reconciliation']) }}

{%- set tables = [
    'patient', 'appointment', 'procedurelog', 'claim', 'claimproc', 'claimpayment', 'claimsnapshot', 'payment',
    'paysplit', 'adjustment', 'payplan', 'payplancharge', 'payplanlink', 'recall', 'histappointment', 'schedule',
    'treatplan', 'proctp', 'refattach', 'fee', 'commlog', 'statement'
] %}

with counts as (
    {% for table in tables -%}
    select
        '{{ table }}' as table_name,
        (select count(*) from {{ source('opendental', table) }}) as raw_rows,
        (select count(*) from {{ ref('stg_opendental__' ~ table) }}) as staging_rows
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from counts
where raw_rows <> staging_rows
