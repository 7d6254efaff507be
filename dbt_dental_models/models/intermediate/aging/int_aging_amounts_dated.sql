{{ config(tags=['financial', 'date_relative']) }}

with entries as (
    select
        entries.*,
        rules.is_aging_lifo and entries.linked_procedure_id is not null as is_linked
    from {{ ref('int_ledger_entries') }} as entries
    cross join {{ ref('int_accounting_rules_resolved') }} as rules
    where entries.family_id is not null
),

-- What belongs to a procedure first changes that procedure's own age: together negative, it counts
-- on the procedure's date, and inside the charges.
linked as (
    select
        family_id,
        sum(amount) as amount,
        case when sum(amount) < 0 then min(linked_date) else entry_date end as age_date,
        true as is_charge
    from entries
    where is_linked
    group by family_id, patient_id, linked_procedure_id, entry_date
),

unlinked as (
    select
        family_id,
        amount,
        entry_date as age_date,
        amount > 0 as is_charge
    from entries
    where not is_linked
        and amount <> 0
)

select * from linked
union all
select * from unlinked
